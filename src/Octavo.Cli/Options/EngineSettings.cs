using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Engine;
using Octavo.Formats;

namespace Octavo.Cli.Options;

/// <summary>
/// The engine's options, one row each, in the groups that commands take; names and meanings are vLLM's. Command line
/// and settings file read the same rows, and defaults in the help are those of the records.
/// </summary>
/// <remarks>To add an option, see <see cref="EngineOptions"/>; here it is one row.</remarks>
internal static class EngineSettings
{
    /// <summary>The option that does without a tokenizer.</summary>
    public const string SkipTokenizerInit = "--skip-tokenizer-init";

    /// <summary>The option that seeds draws.</summary>
    public const string Seed = "--seed";

    /// <summary>All that says what a model takes, loaded.</summary>
    public static Setting<EngineOptions>[] Loading =>
        [.. Weights, .. Cache, .. Length, .. CacheMemory, .. MemoryFraction, .. Threads];

    /// <summary>How steps are filled, and with what latency.</summary>
    public static Setting<EngineOptions>[] Steps =>
        [.. Limits, .. Batching, .. Targets, .. Percentile, .. PrefixCaching];

    /// <summary>How weights are stored.</summary>
    public static Setting<EngineOptions>[] Weights =>
    [
        Model(
            OptionKinds.Choice(
                "--dtype",
                "Type of the weights. auto keeps what the checkpoint stores: bfloat16 for BF16, float32 for F32 and "
                    + "F16. Weights in GGUF's blocks stay as they are: beside them auto rounds activations to eight "
                    + "bits, as llama.cpp does, and float32 does not.",
                ("auto", ModelDtype.Auto),
                ("float32", ModelDtype.Float32),
                ("bfloat16", ModelDtype.BFloat16)),
            (m, type) => m with { Dtype = type }),
        Model(
            OptionKinds.Text(
                "--quantization",
                string.Join('|', WeightScheme.Names),
                "Scheme that the weights are converted to while loading. [default: none, see --dtype]"),
            (m, scheme) => m with { Quantization = scheme }),
        Model(QuantizeHead(), (m, policy) => m with { QuantizeHead = policy }),
    ];

    /// <summary>How keys and values are stored.</summary>
    public static Setting<EngineOptions>[] Cache =>
    [
        Memory(
            OptionKinds.Choice(
                "--kv-cache-dtype",
                "Type of cached keys and values; auto takes what the checkpoint asks for, else that of the weights. "
                + "bfloat16 holds twice the tokens of float32, int8 nearly four times, fp8 (E4M3) four times.",
                ("auto", KvCacheDtype.Auto),
                ("float32", KvCacheDtype.Float32),
                ("bfloat16", KvCacheDtype.BFloat16),
                ("int8", KvCacheDtype.Int8),
                ("fp8", KvCacheDtype.Fp8),
                ("fp8_e4m3", KvCacheDtype.Fp8)),
            (m, type) => m with { KvCacheDtype = type }),
        Memory(
            OptionKinds.Integer(
                "--block-size",
                $"Tokens in a block of the key-value cache, a multiple of {PlanRequest.BlockSizeUnit}. "
                + $"[default: {MemoryOptions.DefaultBlockSize}]"),
            (m, tokens) => m with { BlockSize = tokens!.Value }),
    ];

    /// <summary>How much of the machine's memory there is for all.</summary>
    public static Setting<EngineOptions>[] MemoryFraction =>
    [
        Memory(
            OptionKinds.Number(
                "--memory-fraction",
                "Part of the memory free at start, within a container's limits, that weights and cache share. The "
                    + "cache takes "
                + $"no more than --max-num-seqs can use. [default: {Text(MemoryOptions.DefaultMemoryFraction)}]"),
            (m, fraction) => m with { MemoryFraction = fraction }),
    ];

    /// <summary>How much memory the cache has.</summary>
    public static Setting<EngineOptions>[] CacheMemory =>
    [
        Memory(
            OptionKinds.Size(
                "--kv-cache-memory",
                "Memory of the key-value cache: 512MiB, 4GiB, or bytes. [default: what --memory-fraction leaves]"),
            (m, bytes) => m with { KvCacheMemory = bytes }),
    ];

    /// <summary>How long a sequence may be.</summary>
    public static Setting<EngineOptions>[] Length =>
    [
        Model(
            OptionKinds.Integer(
                "--max-model-len",
                "Longest sequence, prompt and answer together, in tokens. Less needs less memory. [default: the "
                    + "model's own]"),
            (m, tokens) => m with { MaxModelLen = tokens }),
    ];

    /// <summary>How many threads compute.</summary>
    public static Setting<EngineOptions>[] Threads =>
    [
        Model(
            OptionKinds.Integer(
                "--threads",
                "Threads that compute. The text does not depend on it. [default: OCTAVO_THREADS, or one a processor]"),
            (m, threads) => m with { Threads = threads }),
    ];

    /// <summary>The most that a step takes.</summary>
    public static Setting<EngineOptions>[] Limits =>
    [
        Scheduling(
            OptionKinds.Integer(
                "--max-num-seqs",
                $"Most requests that run in one step; others wait. [default: {SchedulingOptions.DefaultMaxNumSeqs}]"),
            (s, requests) => s with { MaxNumSeqs = requests!.Value }),
        Scheduling(
            OptionKinds.Integer(
                "--max-num-batched-tokens",
                "Most tokens that one step computes; longer prompts are read in chunks. "
                + $"[default: {SchedulingOptions.DefaultMaxNumBatchedTokens}]"),
            (s, tokens) => s with { MaxNumBatchedTokens = tokens }),
    ];

    /// <summary>Who decides how much of that a step takes.</summary>
    public static Setting<EngineOptions>[] Batching =>
    [
        Scheduling(
            OptionKinds.Choice(
                "--batching",
                "How much goes into a step: adaptive holds the latency targets, fixed takes what the two limits "
                    + "allow, as vLLM "
                + "does.",
                ("adaptive", BatchingMode.Adaptive),
                ("fixed", BatchingMode.Fixed)),
            (s, mode) => s with { Batching = mode }),
    ];

    /// <summary>The latencies that adaptive batching aims at.</summary>
    public static Setting<EngineOptions>[] Targets =>
    [
        Target(
            OptionKinds.Duration(
                "--target-itl",
                "Longest time between two tokens of an answer that adaptive batching holds. "
                + $"[default: {TimeText.Of(BatchingTargets.DefaultInterToken)}]"),
            (t, time) => t with { InterToken = time!.Value }),
        Target(
            OptionKinds.Duration(
                "--target-ttft",
                "Longest time to an answer's first token that adaptive batching aims at. [default: none]"),
            (t, time) => t with { FirstToken = time }),
    ];

    /// <summary>How strictly it holds them.</summary>
    public static Setting<EngineOptions>[] Percentile =>
    [
        Target(
            OptionKinds.Percentage(
                "--target-percentile",
                "Percentage of the times between tokens that must hold --target-itl, from 50 to 99.9. "
                + $"[default: {Text(100 * BatchingTargets.DefaultPercentile)}]"),
            (t, fraction) => t with { Percentile = fraction!.Value }),
    ];

    /// <summary>Whether prompts share what is computed.</summary>
    public static Setting<EngineOptions>[] PrefixCaching =>
    [
        Setting<EngineOptions>.Of(
            OptionKinds.Switch(
                "--no-enable-prefix-caching",
                "Compute every prompt in full. Otherwise requests share the cache of common beginnings."),
            (o, off) => o with { Scheduling = o.Scheduling with { EnablePrefixCaching = !off } }),
    ];

    /// <summary>What the draws begin with.</summary>
    public static Setting<EngineOptions>[] Seeds =>
    [
        Sampling(
            OptionKinds.Long(Seed, "Seed of the draws: the same seed and command give the same text. [default: 0]"),
            (s, seed) => s with { Seed = seed!.Value }),
    ];

    /// <summary>What requests are taken to want where they say nothing.</summary>
    public static Setting<EngineOptions>[] GenerationConfig =>
    [
        Model(
            OptionKinds.Choice(
                "--generation-config",
                "Where sampling defaults come from: auto reads the model's generation_config.json, vllm takes neutral "
                    + "ones "
                + "(temperature 1, top-p 1).",
                ("auto", GenerationConfigSource.Auto),
                ("vllm", GenerationConfigSource.Vllm)),
            (m, source) => m with { GenerationConfig = source }),
    ];

    /// <summary>What goes beyond text in and text out.</summary>
    public static Setting<EngineOptions>[] Tokens =>
    [
        Model(
            OptionKinds.Switch(SkipTokenizerInit, "Load no tokenizer: prompts and results are token ids."),
            (m, skip) => m with { SkipTokenizerInit = skip }),
        Sampling(
            OptionKinds.Integer(
                "--max-logprobs",
                "Most log-probabilities a request may ask for at each position; -1 is any number. "
                + $"[default: {SamplingOptions.DefaultMaxLogprobs}]"),
            (s, most) => s with { MaxLogprobs = most!.Value }),
    ];

    /// <summary>What matters where many clients share the engine.</summary>
    public static Setting<EngineOptions>[] Queue =>
    [
        Admission(
            OptionKinds.Integer(
                "--max-queue", "Most requests that wait; more are answered with 429. [default: any number]"),
            (a, requests) => a with { MaxQueue = requests }),
        Admission(
            OptionKinds.Duration(
                "--max-queue-wait",
                "Requests that would wait longer than this, by the engine's estimate, are answered with 429. "
                + "[default: any time]"),
            (a, time) => a with { MaxQueueWait = time }),
        Admission(
            OptionKinds.Duration("--request-timeout", "Longest time that a request may take in all. [default: any]"),
            (a, time) => a with { RequestTimeout = time }),
        Scheduling(
            OptionKinds.Duration(
                "--priority-ageing",
                "How much waiting makes up for one level of priority. "
                + $"[default: {TimeText.Of(SchedulingOptions.DefaultPriorityAgeing)}]"),
            (s, time) => s with { PriorityAgeing = time!.Value }),
        ClientWeights,
    ];

    /// <summary>What is counted.</summary>
    public static Setting<EngineOptions>[] Metrics =>
    [
        Setting<EngineOptions>.Of(
            OptionKinds.Buckets(
                "--custom-histogram-buckets",
                "Bounds of histograms at /metrics in place of the usual ones, by family, as vLLM has them: "
                + "{\"request_latency\": [0.1, 0.5, 1, 5]}."),
            (o, buckets) => o with { Metrics = o.Metrics with { CustomHistogramBuckets = buckets! } }),
    ];

    private static Setting<EngineOptions> ClientWeights =>
        new Setting<EngineOptions, IReadOnlyDictionary<string, double>?>(
            OptionKinds.Weights(
                "--client-weight",
                "Share of a client, told by its API key: one of weight 2 gets twice the turns of one of 1, the "
                    + "default. "
                    + "Repeat for "
                + "several; a file for --settings keeps keys out of the list of processes."),
            (o, weights) => o with
            {
                Scheduling = o.Scheduling with
                {
                    // Those of the command line go before those of the file, one by one.
                    ClientWeights = weights!.Concat(o.Scheduling.ClientWeights.Where(w => !weights!.ContainsKey(w.Key)))
                        .ToDictionary(StringComparer.Ordinal),
                },
            })
        {
            Key = "client_weights",
            Words = value => value.ValueKind == JsonValueKind.Object
                ? value.EnumerateObject().Select(client => $"{client.Name}={client.Value.GetRawText()}")
                : throw new FormatException("takes an object of keys and weights"),
        };

    /// <summary>The policy for the output head.</summary>
    public static Option<HeadQuantization> QuantizeHead() => OptionKinds.Choice(
        "--quantize-head",
        "How a scheme stores the output head: auto gives it the layers' scheme but eight bits at least, never keeps "
            + "it as "
        + "stored, always takes the layers' scheme. The embedding is always kept.",
        ("auto", HeadQuantization.Auto),
        ("never", HeadQuantization.Never),
        ("always", HeadQuantization.Always));

    private static Setting<EngineOptions> Model<T>(Option<T> option, Func<ModelOptions, T, ModelOptions> set) =>
        Setting<EngineOptions>.Of(option, (o, value) => o with { Model = set(o.Model, value) });

    private static Setting<EngineOptions> Memory<T>(Option<T> option, Func<MemoryOptions, T, MemoryOptions> set) =>
        Setting<EngineOptions>.Of(option, (o, value) => o with { Memory = set(o.Memory, value) });

    private static Setting<EngineOptions> Scheduling<T>(
        Option<T> option, Func<SchedulingOptions, T, SchedulingOptions> set) =>
        Setting<EngineOptions>.Of(option, (o, value) => o with { Scheduling = set(o.Scheduling, value) });

    private static Setting<EngineOptions> Target<T>(Option<T> option, Func<BatchingTargets, T, BatchingTargets> set) =>
        Scheduling(option, (s, value) => s with { Targets = set(s.Targets, value) });

    private static Setting<EngineOptions> Admission<T>(
        Option<T> option, Func<AdmissionOptions, T, AdmissionOptions> set) =>
        Setting<EngineOptions>.Of(option, (o, value) => o with { Admission = set(o.Admission, value) });

    private static Setting<EngineOptions> Sampling<T>(
        Option<T> option, Func<SamplingOptions, T, SamplingOptions> set) =>
        Setting<EngineOptions>.Of(option, (o, value) => o with { Sampling = set(o.Sampling, value) });

    private static string Text(double number) => number.ToString(CultureInfo.InvariantCulture);
}

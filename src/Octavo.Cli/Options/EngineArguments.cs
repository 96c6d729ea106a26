using System.CommandLine;
using System.Globalization;
using Octavo.Formats;
using Octavo.Cli.Terminal;

namespace Octavo.Cli.Options;

/// <summary>The options of every command that loads a model; names and meanings are vLLM's.</summary>
internal sealed class EngineArguments
{
    /// <summary>The option that does without a tokenizer.</summary>
    public const string SkipTokenizerInit = "--skip-tokenizer-init";

    /// <summary>The option that seeds draws.</summary>
    public const string SeedOption = "--seed";

    private static readonly (string, ModelDtype)[] Dtypes =
        [("auto", ModelDtype.Auto), ("float32", ModelDtype.Float32), ("bfloat16", ModelDtype.BFloat16)];

    private readonly Option<ModelDtype> _dtype = OptionKinds.Choice(
        "--dtype",
        "Type of the weights. auto keeps what the checkpoint stores: bfloat16 for BF16, float32 for F32 and F16.",
        Dtypes);

    private readonly Option<KvCacheDtype> _kvCacheDtype = OptionKinds.Choice(
        "--kv-cache-dtype",
        "Type of cached keys and values; auto takes what the checkpoint asks for, else that of the weights. bfloat16 holds twice the tokens of float32, int8 nearly four times, fp8 (E4M3) four times.",
        ("auto", KvCacheDtype.Auto),
        ("float32", KvCacheDtype.Float32),
        ("bfloat16", KvCacheDtype.BFloat16),
        ("int8", KvCacheDtype.Int8),
        ("fp8", KvCacheDtype.Fp8),
        ("fp8_e4m3", KvCacheDtype.Fp8));

    private readonly Option<string?> _quantization = OptionKinds.Text(
        "--quantization", string.Join('|', WeightScheme.Names), "Scheme that the weights are converted to while loading. [default: none, see --dtype]");

    private readonly Option<HeadQuantization> _quantizeHead = QuantizeHeadOption();

    private readonly Option<int?> _maxModelLen = OptionKinds.Integer(
        "--max-model-len", "Longest sequence, prompt and answer together, in tokens. Less needs less memory. [default: the model's own]");

    private readonly Option<int?> _maxNumSeqs = OptionKinds.Integer(
        "--max-num-seqs", "Most requests that run in one step; others wait. [default: 128]");

    private readonly Option<int?> _maxNumBatchedTokens = OptionKinds.Integer(
        "--max-num-batched-tokens", "Most tokens that one step computes; longer prompts are read in chunks. [default: 2048]");

    private readonly Option<BatchingMode> _batching = OptionKinds.Choice(
        "--batching",
        "How much goes into a step: adaptive holds the latency targets, fixed takes what the two limits allow, as vLLM does.",
        ("adaptive", BatchingMode.Adaptive),
        ("fixed", BatchingMode.Fixed));

    private readonly Option<TimeSpan?> _targetItl = OptionKinds.Duration(
        "--target-itl", "Longest time between two tokens of an answer that adaptive batching holds. [default: 100ms]");

    private readonly Option<TimeSpan?> _targetTtft = OptionKinds.Duration(
        "--target-ttft", "Longest time to an answer's first token that adaptive batching aims at. [default: none]");

    private readonly Option<double?> _targetPercentile = OptionKinds.Number(
        "--target-percentile", "Percentage of the times between tokens that must hold --target-itl, from 50 to 99.9. [default: 95]");

    private readonly Option<int?> _maxQueue = OptionKinds.Integer(
        "--max-queue", "Most requests that wait; more are answered with 429. [default: any number]");

    private readonly Option<TimeSpan?> _maxQueueWait = OptionKinds.Duration(
        "--max-queue-wait", "Requests that would wait longer than this, by the engine's estimate, are answered with 429. [default: any time]");

    private readonly Option<TimeSpan?> _requestTimeout = OptionKinds.Duration(
        "--request-timeout", "Longest time that a request may take in all. [default: any]");

    private readonly Option<TimeSpan?> _priorityAgeing = OptionKinds.Duration(
        "--priority-ageing", "How much waiting makes up for one level of priority. [default: 30s]");

    private readonly Option<string[]> _clientWeight = new("--client-weight")
    {
        Description = "Share of a client, told by its API key: one of weight 2 gets twice the turns of one of 1, the default. Repeat for several; a file for --settings keeps keys out of the list of processes.",
        HelpName = "KEY=WEIGHT",
        Arity = ArgumentArity.OneOrMore,        // one a time: a second word is MODEL
    };

    private readonly Option<IReadOnlyDictionary<string, IReadOnlyList<double>>?> _customHistogramBuckets = OptionKinds.Buckets(
        "--custom-histogram-buckets",
        "Bounds of histograms at /metrics in place of the usual ones, by family, as vLLM has them: {\"request_latency\": [0.1, 0.5, 1, 5]}.");

    private readonly Option<int?> _blockSize = OptionKinds.Integer(
        "--block-size", "Tokens in a block of the key-value cache, a multiple of 16. [default: 16]");

    private readonly Option<long?> _kvCacheMemory = OptionKinds.Size(
        "--kv-cache-memory", "Memory of the key-value cache: 512MiB, 4GiB, or bytes. [default: what --memory-fraction leaves]");

    private readonly Option<double?> _memoryFraction = OptionKinds.Number(
        "--memory-fraction", "Part of the memory free at start, within a container's limits, that weights and cache share. The cache takes no more than --max-num-seqs can use. [default: 0.8]");

    private readonly Option<bool> _noPrefixCaching = OptionKinds.Switch(
        "--no-enable-prefix-caching", "Compute every prompt in full. Otherwise requests share the cache of common beginnings.");

    private readonly Option<long?> _seed = OptionKinds.Long(
        SeedOption, "Seed of the draws: the same seed and command give the same text. [default: 0]");

    private readonly Option<int?> _threads = OptionKinds.Integer(
        "--threads", "Threads that compute. The text does not depend on it. [default: one a processor]");

    private readonly Option<bool> _skipTokenizerInit = OptionKinds.Switch(
        SkipTokenizerInit, "Load no tokenizer: prompts and results are token ids.");

    private readonly Option<GenerationConfigSource> _generationConfig = OptionKinds.Choice(
        "--generation-config",
        "Where sampling defaults come from: auto reads the model's generation_config.json, vllm takes neutral ones (temperature 1, top-p 1).",
        ("auto", GenerationConfigSource.Auto),
        ("vllm", GenerationConfigSource.Vllm));

    private readonly Option<int?> _maxLogprobs = OptionKinds.Integer(
        "--max-logprobs", "Most log-probabilities a request may ask for at each position; -1 is any number. [default: 20]");

    private readonly Option<string?> _settings = OptionKinds.Text(
        "--settings", "FILE", "Settings that octavo tune wrote; the command line goes before them.");

    /// <summary>Adds the options that matter where many clients share the engine.</summary>
    public void AddQueueOptionsTo(Command command)
    {
        command.Add(_maxQueue);
        command.Add(_maxQueueWait);
        command.Add(_requestTimeout);
        command.Add(_priorityAgeing);
        command.Add(_clientWeight);
        command.Add(_customHistogramBuckets);
        command.Add(_settings);
    }

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="except">The names of those that would do nothing for it.</param>
    public void AddTo(Command command, params string[] except)
    {
        Option[] all =
        [
            _dtype, _kvCacheDtype, _quantization, _quantizeHead, _maxModelLen, _maxNumSeqs, _maxNumBatchedTokens,
            _batching, _targetItl, _targetTtft, _targetPercentile, _blockSize, _kvCacheMemory, _memoryFraction,
            _noPrefixCaching, _seed, _threads, _skipTokenizerInit, _generationConfig, _maxLogprobs,
        ];
        foreach (Option option in all.Where(o => !except.Contains(o.Name)))
        {
            command.Add(option);
        }
    }

    /// <summary>The policy for the output head.</summary>
    public static Option<HeadQuantization> QuantizeHeadOption() => OptionKinds.Choice(
        "--quantize-head",
        "How a scheme stores the output head: auto gives it the layers' scheme but eight bits at least, never keeps it as stored, always takes the layers' scheme. The embedding is always kept.",
        ("auto", HeadQuantization.Auto),
        ("never", HeadQuantization.Never),
        ("always", HeadQuantization.Always));

    /// <summary>The seed, where one was named.</summary>
    public long? Seed(ParseResult result) => result.GetValue(_seed);

    /// <summary>What the command line says, over the defaults.</summary>
    public EngineOptions Read(ParseResult result)
    {
        var defaults = new EngineOptions();
        SettingsFile file = result.GetValue(_settings) is { } path ? SettingsFile.Read(path) : new SettingsFile();
        int? threads = result.GetValue(_threads);
        int? batchedTokens = result.GetValue(_maxNumBatchedTokens) ?? file.MaxNumBatchedTokens;
        int? maxLogprobs = result.GetValue(_maxLogprobs);
        BatchingMode batching = result.GetResult(_batching) is null ? file.Batching ?? defaults.Batching : result.GetValue(_batching);
        RefuseTargets(result, batching);
        Check(threads is null or >= 1, "--threads must be at least 1", threads);
        Check(batchedTokens is null or >= 1, "--max-num-batched-tokens must be at least 1", batchedTokens);
        Check(maxLogprobs is null or >= -1, "--max-logprobs must be -1 (any number), or 0 or more", maxLogprobs);
        return defaults with
        {
            Dtype = result.GetValue(_dtype),
            KvCacheDtype = result.GetValue(_kvCacheDtype),
            Quantization = result.GetValue(_quantization),
            QuantizeHead = result.GetValue(_quantizeHead),
            MaxModelLen = result.GetValue(_maxModelLen),
            MaxNumSeqs = result.GetValue(_maxNumSeqs) ?? file.MaxNumSeqs ?? defaults.MaxNumSeqs,
            MaxNumBatchedTokens = batchedTokens,
            Batching = batching,
            ClientWeights = ClientWeights(result, file.ClientWeights ?? defaults.ClientWeights),
            Targets = new BatchingTargets
            {
                InterToken = result.GetValue(_targetItl) ?? Milliseconds(file.TargetItlMilliseconds) ?? defaults.Targets.InterToken,
                FirstToken = result.GetValue(_targetTtft) ?? Milliseconds(file.TargetTtftMilliseconds),
                Percentile = Fraction(result.GetValue(_targetPercentile)) ?? defaults.Targets.Percentile,
            },
            MaxQueue = result.GetValue(_maxQueue),
            MaxQueueWait = result.GetValue(_maxQueueWait),
            RequestTimeout = result.GetValue(_requestTimeout),
            PriorityAgeing = result.GetValue(_priorityAgeing) ?? defaults.PriorityAgeing,
            BlockSize = result.GetValue(_blockSize) ?? defaults.BlockSize,
            KvCacheMemory = result.GetValue(_kvCacheMemory),
            MemoryFraction = result.GetValue(_memoryFraction),
            EnablePrefixCaching = !result.GetValue(_noPrefixCaching),
            Seed = Seed(result) ?? defaults.Seed,
            Threads = threads,
            SkipTokenizerInit = result.GetValue(_skipTokenizerInit),
            GenerationConfig = result.GetValue(_generationConfig),
            MaxLogprobs = maxLogprobs ?? defaults.MaxLogprobs,
            CustomHistogramBuckets = result.GetValue(_customHistogramBuckets) ?? defaults.CustomHistogramBuckets,
        };
    }

    // Fixed limits aim at nothing: a target beside them would be believed and not held.
    private void RefuseTargets(ParseResult result, BatchingMode batching)
    {
        Option[] targets = [_targetItl, _targetTtft, _targetPercentile];
        if (batching == BatchingMode.Fixed && Array.Find(targets, o => result.GetResult(o) is { Implicit: false }) is { } target)
        {
            throw new UsageException($"{target.Name} goes with --batching adaptive: fixed limits hold no target");
        }
    }

    private Dictionary<string, double> ClientWeights(ParseResult result, IReadOnlyDictionary<string, double> file)
    {
        var weights = new Dictionary<string, double>(file, StringComparer.Ordinal);
        foreach (string word in result.GetValue(_clientWeight) ?? [])
        {
            int equals = word.LastIndexOf('=');         // a key may well end with one
            if (equals < 1 || !double.TryParse(word.AsSpan(equals + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out double weight) || weight is not (> 0 and < 1e6))
            {
                throw new UsageException($"--client-weight takes KEY=WEIGHT with a weight above 0; it is '{word}'");
            }

            weights[word[..equals]] = weight;
        }

        return weights;
    }

    private static double? Fraction(double? percent)
    {
        if (percent is < 50 or >= 100)
        {
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--target-percentile must be at least 50 and below 100; it is {percent}"));
        }

        return percent / 100;
    }

    private static TimeSpan? Milliseconds(double? value) => value is { } number ? TimeSpan.FromMilliseconds(number) : null;

    private static void Check(bool holds, string rule, int? value)
    {
        if (!holds)
        {
            throw new UsageException($"{rule}; it is {value}");
        }
    }
}

using Octavo.Engine;
using Octavo.Engine.Sampling;
using Octavo.Formats;

namespace Octavo;

/// <summary>The arithmetic and storage of weights.</summary>
public enum ModelDtype
{
    /// <summary>As the checkpoint stores them: bfloat16 for BF16 checkpoints, float32 for F32 and F16 ones.</summary>
    Auto,

    /// <summary>Weights and cache in float32.</summary>
    Float32,

    /// <summary>Weights and cache in bfloat16, arithmetic in float32.</summary>
    BFloat16,
}

/// <summary>What quantization at load does to the output head. The embedding's rows are always read as they are stored.</summary>
public enum HeadQuantization
{
    /// <summary>As the layers, but never fewer than eight bits: the head decides every token.</summary>
    Auto,

    /// <summary>Kept in the checkpoint's own type.</summary>
    Never,

    /// <summary>As the layers, whatever their bits.</summary>
    Always,
}

/// <summary>How keys and values are stored.</summary>
public enum KvCacheDtype
{
    /// <summary>E4M3 where the checkpoint asks for it (<c>kv_cache_scheme</c>), else as the weights: float32 beside float32
    /// weights, otherwise bfloat16.</summary>
    Auto,

    /// <summary>Four bytes an element.</summary>
    Float32,

    /// <summary>Two bytes an element.</summary>
    BFloat16,

    /// <summary>One byte an element, and two float32 scales for each token and key-value head: half the memory of bfloat16,
    /// and half the time that long contexts take to read. Results differ a little.</summary>
    Int8,

    /// <summary>One byte an element (E4M3), with the checkpoint's scale for each layer's keys and values, or none: vLLM's
    /// <c>fp8</c>.</summary>
    Fp8,
}

/// <summary>Where the defaults of sampling come from.</summary>
public enum GenerationConfigSource
{
    /// <summary>From the model's <c>generation_config.json</c>.</summary>
    Auto,

    /// <summary>vLLM's own neutral defaults.</summary>
    Vllm,
}

/// <summary>How a model is loaded and served. Names, meanings and defaults are vLLM's for a CPU server.</summary>
public sealed record EngineOptions
{
    /// <summary>The type of weights.</summary>
    public ModelDtype Dtype { get; init; } = ModelDtype.Auto;

    /// <summary>The type of keys and values; <see cref="KvCacheDtype.Auto"/> takes that of the weights.</summary>
    public KvCacheDtype KvCacheDtype { get; init; } = KvCacheDtype.Auto;

    /// <summary>The scheme that weights are quantized to at load, one of <see cref="WeightScheme.Names"/>; null keeps
    /// <see cref="Dtype"/>, or what the checkpoint stores quantized.</summary>
    public string? Quantization { get; init; }

    /// <summary>What that does to the output head.</summary>
    public HeadQuantization QuantizeHead { get; init; } = HeadQuantization.Auto;

    /// <summary>The longest sequence, prompt and output, in tokens; null takes the model's own.</summary>
    public int? MaxModelLen { get; init; }

    /// <summary>The most requests in a step.</summary>
    public int MaxNumSeqs { get; init; } = 128;

    /// <summary>The most tokens a step computes; null takes 2048, or <see cref="MaxNumSeqs"/> where that is more.</summary>
    public int? MaxNumBatchedTokens { get; init; }

    /// <summary>How many requests and tokens share a step, within the two limits.</summary>
    public BatchingMode Batching { get; init; } = BatchingMode.Adaptive;

    /// <summary>What latency adaptive batching holds; by default 100 ms between two tokens, at the 95th percentile.</summary>
    public BatchingTargets Targets { get; init; } = new();

    /// <summary>The most requests that wait; more are refused (<see cref="Engine.EngineOverloadedException"/>). Null refuses none for that.</summary>
    public int? MaxQueue { get; init; }

    /// <summary>Requests are refused that would wait longer than this to be taken up, by the engine's estimate; null refuses none for that.</summary>
    public TimeSpan? MaxQueueWait { get; init; }

    /// <summary>How long a request may take in all; null is without limit.</summary>
    public TimeSpan? RequestTimeout { get; init; }

    /// <summary>How much waiting makes up for one level of priority.</summary>
    public TimeSpan PriorityAgeing { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Shares of clients (<see cref="RequestOptions.Client"/>) that are not 1: one of weight 2 gets twice the turns.</summary>
    public IReadOnlyDictionary<string, double> ClientWeights { get; init; } = new Dictionary<string, double>();

    /// <summary>Tokens a block of the key-value cache, a multiple of 16.</summary>
    public int BlockSize { get; init; } = 16;

    /// <summary>Bytes for the key-value cache; null leaves it what <see cref="MemoryFraction"/> says.</summary>
    public long? KvCacheMemory { get; init; }

    /// <summary>
    /// The part of the memory that is free at start (<see cref="MachineMemory"/>) that weights, steps and key-value cache share,
    /// above 0 and at most 1; null takes 0.8. The cache gets what the others leave, but no more than <see cref="MaxNumSeqs"/>
    /// sequences of the greatest length could fill.
    /// </summary>
    public double? MemoryFraction { get; init; }

    /// <summary>Let requests share the blocks of common prefixes.</summary>
    public bool EnablePrefixCaching { get; init; } = true;

    /// <summary>
    /// The fraction of blocks kept free for running requests when another is admitted beside them; 0 is vLLM's default.
    /// </summary>
    public double KvCacheWatermark { get; init; } = 0.01;

    /// <summary>Seeds requests that name no seed.</summary>
    public long Seed { get; init; }

    /// <summary>Threads that share the work; null takes one a processor.</summary>
    public int? Threads { get; init; }

    /// <summary>Load no tokenizer: token ids in, token ids out.</summary>
    public bool SkipTokenizerInit { get; init; }

    /// <summary>Where sampling defaults come from.</summary>
    public GenerationConfigSource GenerationConfig { get; init; } = GenerationConfigSource.Auto;

    /// <summary>The most log-probabilities a request may ask for at a position; −1 = any number.</summary>
    public int MaxLogprobs { get; init; } = 20;

    /// <summary>The name that the model goes by; null takes its directory's name.</summary>
    public string? ServedModelName { get; init; }

    /// <inheritdoc cref="LlmEngineOptions.CustomHistogramBuckets"/>
    public IReadOnlyDictionary<string, IReadOnlyList<double>> CustomHistogramBuckets { get; init; } = new Dictionary<string, IReadOnlyList<double>>();

    /// <summary>Hooks over each request's logits.</summary>
    public IReadOnlyList<LogitsProcessorFactory> LogitsProcessors { get; init; } = [];

    // Null would otherwise show as a fault of whoever reads it first.
    internal void RequireNoNulls()
    {
        Require(Targets, nameof(Targets));
        Require(ClientWeights, nameof(ClientWeights));
        Require(LogitsProcessors, nameof(LogitsProcessors));
        foreach (LogitsProcessorFactory processor in LogitsProcessors)
        {
            Require(processor, nameof(LogitsProcessors));
        }

        static void Require(object? value, string name)
        {
            if (value is null)
            {
                throw new ArgumentNullException(name);
            }
        }
    }
}

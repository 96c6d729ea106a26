using Octavo.Engine.Sampling;

namespace Octavo.Engine;

/// <summary>The engine's limits and habits. Names and defaults are vLLM's for a CPU server.</summary>
public sealed record LlmEngineOptions
{
    /// <summary>The name that metrics carry.</summary>
    public string ModelName { get; init; } = "model";

    /// <summary>The longest sequence, prompt and output together, in tokens.</summary>
    public required int MaxModelLen { get; init; }

    /// <summary>The most requests that run in one step.</summary>
    public int MaxNumSeqs { get; init; } = 128;

    /// <summary>The most tokens that one step computes.</summary>
    public int MaxNumBatchedTokens { get; init; } = 2048;

    /// <summary>How many requests and tokens share a step, within these limits.</summary>
    public BatchingMode Batching { get; init; } = BatchingMode.Fixed;

    /// <summary>What latency adaptive batching holds.</summary>
    public BatchingTargets Targets { get; init; } = new();

    /// <summary>The most requests that wait; more are refused. Null refuses none for that.</summary>
    public int? MaxQueue { get; init; }

    /// <summary>Requests are refused that would wait longer than this to be taken up, by the engine's estimate; null refuses none for that.</summary>
    public TimeSpan? MaxQueueWait { get; init; }

    /// <summary>How long a request may take in all; null is without limit.</summary>
    public TimeSpan? RequestTimeout { get; init; }

    /// <summary>How much waiting makes up for one level of priority.</summary>
    public TimeSpan PriorityAgeing { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Shares of clients (<see cref="EngineRequest.Client"/>) that are not 1: one of weight 2 gets twice the turns.</summary>
    public IReadOnlyDictionary<string, double> ClientWeights { get; init; } = new Dictionary<string, double>();

    /// <summary>Let requests share the blocks of common prefixes.</summary>
    public bool EnablePrefixCaching { get; init; } = true;

    /// <summary>
    /// The fraction of blocks kept free for running requests when another is admitted beside them, rounded up; it trades
    /// a little waiting for far fewer preemptions. vLLM's default is 0 (docs/decisions/0006).
    /// </summary>
    public double KvCacheWatermark { get; init; } = 0.01;

    /// <summary>Seeds the requests that name no seed.</summary>
    public long Seed { get; init; }

    /// <summary>The most log-probabilities a request may ask for at a position; −1 = any number.</summary>
    public int MaxLogprobs { get; init; } = 20;

    /// <summary>The tokens that end a sequence.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>Hooks over each request's logits.</summary>
    public IReadOnlyList<LogitsProcessorFactory> LogitsProcessors { get; init; } = [];

    /// <summary>
    /// Bounds of histograms in place of the usual ones, by vLLM's families: <c>request_latency</c>,
    /// <c>time_to_first_token</c>, <c>inter_token_latency</c>, <c>iteration_tokens</c>, <c>request_params_n</c>,
    /// <c>request_num_preemptions</c>, <c>request_tokens</c>.
    /// </summary>
    public IReadOnlyDictionary<string, IReadOnlyList<double>> CustomHistogramBuckets { get; init; } = new Dictionary<string, IReadOnlyList<double>>();

    /// <summary>What is wrong with <see cref="CustomHistogramBuckets"/>; null where nothing is.</summary>
    public static string? FindFault(IReadOnlyDictionary<string, IReadOnlyList<double>> customHistogramBuckets) =>
        HistogramBuckets.FindFault(customHistogramBuckets);

    /// <summary>Checks the limits against each other and against the runner.</summary>
    /// <exception cref="EngineConfigurationException">They cannot work together; the message says what would.</exception>
    internal void Validate(IModelRunner runner)
    {
        SamplingParams.RequireNotNull(Targets, nameof(Targets));
        SamplingParams.RequireNotNull(ClientWeights, nameof(ClientWeights));
        SamplingParams.RequireNotNull(EosTokenIds, nameof(EosTokenIds));
        SamplingParams.RequireNotNull(LogitsProcessors, nameof(LogitsProcessors));
        Check(MaxModelLen >= 2, $"max_model_len must be at least 2; it is {MaxModelLen}");
        Check(MaxNumSeqs >= 1, $"max_num_seqs must be at least 1; it is {MaxNumSeqs}");
        Targets.Validate();
        string? fault = FindFault(CustomHistogramBuckets);
        Check(fault is null, $"custom_histogram_buckets: {fault}");
        Check(MaxQueue is null or >= 0, $"max_queue must be at least 0; it is {MaxQueue}");
        Check(MaxQueueWait is null || MaxQueueWait >= TimeSpan.Zero, $"max_queue_wait must not be negative; it is {TimeText.Of(MaxQueueWait.GetValueOrDefault())}");
        Check(RequestTimeout is null || RequestTimeout > TimeSpan.Zero, $"request_timeout must be above 0; it is {TimeText.Of(RequestTimeout.GetValueOrDefault())}");
        Check(PriorityAgeing > TimeSpan.Zero, $"priority_ageing must be above 0; it is {TimeText.Of(PriorityAgeing)}");
        Check(ClientWeights.Values.All(w => w is > 0 and < 1e6), $"client weights must be above 0 and below 1000000");
        Check(KvCacheWatermark is >= 0 and < 1, $"the cache watermark must be at least 0 and below 1; it is {KvCacheWatermark}");
        Check(
            MaxNumBatchedTokens >= MaxNumSeqs,
            $"max_num_batched_tokens ({MaxNumBatchedTokens}) must be at least max_num_seqs ({MaxNumSeqs}), so that every running request gets a token a step");
        Check(
            MaxNumBatchedTokens <= runner.MaxNumBatchedTokens,
            $"max_num_batched_tokens ({MaxNumBatchedTokens}) is more than the runner was made for ({runner.MaxNumBatchedTokens})");
        long capacity = (long)runner.NumBlocks * runner.BlockSize;
        Check(
            capacity >= MaxModelLen,
            $"the key-value cache holds {capacity} tokens, less than one request of max_model_len {MaxModelLen}: give it more memory, or set max_model_len to {capacity} or less");
    }

    // A message is the same in every culture.
    private static void Check(bool holds, FormattableString message)
    {
        if (!holds)
        {
            throw new EngineConfigurationException(FormattableString.Invariant(message));
        }
    }
}

/// <summary>A request as it comes in.</summary>
public sealed record EngineRequest
{
    /// <summary>Unique among the requests in flight.</summary>
    public required string Id { get; init; }

    /// <summary>The prompt's text, where it was given as text; it is handed back, not read.</summary>
    public string? Prompt { get; init; }

    /// <summary>The prompt.</summary>
    public required IReadOnlyList<int> PromptTokenIds { get; init; }

    /// <summary>How to answer it.</summary>
    public SamplingParams Parameters { get; init; } = new();

    /// <summary>Lower goes first.</summary>
    public int Priority { get; init; }

    /// <summary>Whose request it is; clients share the engine fairly. Null is nobody in particular.</summary>
    public string? Client { get; init; }

    /// <summary>Requests with different salts share no cached blocks.</summary>
    public string? CacheSalt { get; init; }
}

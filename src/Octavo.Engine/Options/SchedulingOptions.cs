using Octavo.Engine;

namespace Octavo;

/// <summary>
/// Who runs in a step and with how much: what the engine and the simulator go by. Names and defaults are vLLM's for a
/// CPU server where it has them.
/// </summary>
public sealed record SchedulingOptions
{
    /// <summary>The most requests in a step, unless one says otherwise.</summary>
    public const int DefaultMaxNumSeqs = 128;

    /// <summary>The most tokens in a step, unless one says otherwise or there are more requests.</summary>
    public const int DefaultMaxNumBatchedTokens = 2048;

    /// <summary>The fraction of blocks kept free, unless one says otherwise.</summary>
    public const double DefaultKvCacheWatermark = 0.01;

    private const double HeaviestClient = 1e6;

    private static readonly ParameterName Seqs = new(nameof(MaxNumSeqs));

    /// <summary>How much waiting makes up for one level of priority, unless one says otherwise.</summary>
    public static readonly TimeSpan DefaultPriorityAgeing = TimeSpan.FromSeconds(30);

    /// <summary>How many requests and tokens share a step, within the two limits.</summary>
    public BatchingMode Batching { get; init; } = BatchingMode.Adaptive;

    /// <summary>What latency adaptive batching holds.</summary>
    public BatchingTargets Targets { get; init; } = new();

    /// <summary>The most requests in a step.</summary>
    public int MaxNumSeqs { get; init; } = DefaultMaxNumSeqs;

    /// <summary>
    /// The most tokens that a step computes; null takes <see cref="DefaultMaxNumBatchedTokens"/>, or
    /// <see cref="MaxNumSeqs"/> where that is more.
    /// </summary>
    public int? MaxNumBatchedTokens { get; init; }

    /// <summary>Let requests share the blocks of common prefixes.</summary>
    public bool EnablePrefixCaching { get; init; } = true;

    /// <summary>
    /// The fraction of blocks kept free for running requests when another is admitted beside them, rounded up; it
    /// trades a little waiting for far fewer preemptions. vLLM's default is 0 (docs/decisions/0006).
    /// </summary>
    public double KvCacheWatermark { get; init; } = DefaultKvCacheWatermark;

    /// <summary>How much waiting makes up for one level of priority.</summary>
    public TimeSpan PriorityAgeing { get; init; } = DefaultPriorityAgeing;

    /// <summary>
    /// Shares of clients (<see cref="RequestOptions.Client"/>) that are not 1: one of weight 2 gets twice the turns.
    /// </summary>
    public IReadOnlyDictionary<string, double> ClientWeights { get; init; } = new Dictionary<string, double>();

    /// <summary>
    /// The most tokens that a step computes, where <see cref="MaxNumBatchedTokens"/> was left open, too.
    /// </summary>
    public int StepTokens => MaxNumBatchedTokens ?? Math.Max(DefaultMaxNumBatchedTokens, MaxNumSeqs);

    /// <summary>Notes all that is wrong.</summary>
    /// <exception cref="ArgumentNullException">A member is null.</exception>
    public void Validate(ICollection<ParameterFault> faults)
    {
        ParameterFaults.ThrowIfNull(Targets);
        ParameterFaults.ThrowIfNull(ClientWeights);
        faults.Check(MaxNumSeqs >= 1, nameof(MaxNumSeqs), $"must be at least 1", MaxNumSeqs);
        faults.Check(StepTokens >= 1, nameof(MaxNumBatchedTokens), $"must be at least 1", StepTokens);
        faults.Check(
            StepTokens < 1 || StepTokens >= MaxNumSeqs,
            nameof(MaxNumBatchedTokens),
            $"must be at least {Seqs} ({MaxNumSeqs}), so that every running request gets a token a step",
            StepTokens);
        Targets.Validate(faults);
        faults.Check(
            KvCacheWatermark is >= 0 and < 1,
            nameof(KvCacheWatermark),
            $"must be at least 0 and below 1",
            KvCacheWatermark);
        faults.Check(PriorityAgeing > TimeSpan.Zero, nameof(PriorityAgeing), $"must be above 0", PriorityAgeing);
        // Clients are keys of theirs, which no message may show.
        foreach (double weight in ClientWeights.Values)
        {
            faults.Check(
                weight is > 0 and < HeaviestClient,
                nameof(ClientWeights),
                $"must be above 0 and below {HeaviestClient:F0}",
                weight);
        }
    }
}

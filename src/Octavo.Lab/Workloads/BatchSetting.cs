
namespace Octavo.Lab.Workloads;

/// <summary>How a load is batched: adaptively, or with two fixed limits.</summary>
/// <param name="Batching">The policy.</param>
/// <param name="MaxNumSeqs">Most requests in a step.</param>
/// <param name="MaxNumBatchedTokens">Most tokens in a step.</param>
internal sealed record BatchSetting(BatchingMode Batching, int MaxNumSeqs, int MaxNumBatchedTokens)
{
    /// <summary>Adaptive batching within vLLM's limits.</summary>
    public static BatchSetting Adaptive { get; } = Of(new SchedulingOptions());

    /// <summary>What vLLM does unasked.</summary>
    public static BatchSetting VllmDefaults { get; } = Adaptive with { Batching = BatchingMode.Fixed };

    /// <summary>The setting that options hold.</summary>
    public static BatchSetting Of(SchedulingOptions options) =>
        new(options.Batching, options.MaxNumSeqs, options.StepTokens);

    /// <summary>Options with this setting.</summary>
    public SchedulingOptions Over(SchedulingOptions options) =>
        options with { Batching = Batching, MaxNumSeqs = MaxNumSeqs, MaxNumBatchedTokens = MaxNumBatchedTokens };

    /// <inheritdoc/>
    public override string ToString() =>
        Batching == BatchingMode.Adaptive ? "adaptive" : $"{MaxNumSeqs}, {MaxNumBatchedTokens}";
}

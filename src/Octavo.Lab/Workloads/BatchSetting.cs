
namespace Octavo.Lab.Workloads;

/// <summary>How a load is batched: adaptively, or with two fixed limits.</summary>
/// <param name="Batching">The policy.</param>
/// <param name="MaxNumSeqs">Most requests in a step.</param>
/// <param name="MaxNumBatchedTokens">Most tokens in a step.</param>
internal sealed record BatchSetting(BatchingMode Batching, int MaxNumSeqs, int MaxNumBatchedTokens)
{
    /// <summary>Adaptive batching within vLLM's limits.</summary>
    public static BatchSetting Adaptive { get; } = new(BatchingMode.Adaptive, 128, 2048);

    /// <summary>What vLLM does unasked.</summary>
    public static BatchSetting VllmDefaults { get; } = new(BatchingMode.Fixed, 128, 2048);

    /// <inheritdoc/>
    public override string ToString() => Batching == BatchingMode.Adaptive ? "adaptive" : $"{MaxNumSeqs}, {MaxNumBatchedTokens}";
}

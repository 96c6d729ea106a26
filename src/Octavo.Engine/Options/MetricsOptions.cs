using Octavo.Engine;

namespace Octavo;

/// <summary>What the engine counts, and how finely.</summary>
public sealed record MetricsOptions
{
    /// <summary>
    /// Bounds of histograms in place of the usual ones, by vLLM's families: <c>request_latency</c>,
    /// <c>time_to_first_token</c>, <c>inter_token_latency</c>, <c>iteration_tokens</c>, <c>request_params_n</c>,
    /// <c>request_num_preemptions</c>, <c>request_tokens</c>.
    /// </summary>
    public IReadOnlyDictionary<string, IReadOnlyList<double>> CustomHistogramBuckets { get; init; } =
        new Dictionary<string, IReadOnlyList<double>>();

    /// <summary>Notes all that is wrong.</summary>
    /// <exception cref="ArgumentNullException">The table is null.</exception>
    public void Validate(ICollection<ParameterFault> faults)
    {
        ParameterFaults.ThrowIfNull(CustomHistogramBuckets);
        if (HistogramBuckets.FindFault(CustomHistogramBuckets) is { } fault)
        {
            faults.Add(new ParameterFault(null, $"{new ParameterName(nameof(CustomHistogramBuckets))}: {fault}"));
        }
    }
}

using Octavo.Engine;

namespace Octavo;

/// <summary>How many requests and tokens share a step.</summary>
public enum BatchingMode
{
    /// <summary>
    /// As many as hold the latency targets, by a model of the step's time that is learned while it runs.
    /// </summary>
    Adaptive,

    /// <summary>As many as the two limits allow, always: vLLM's behaviour.</summary>
    Fixed,
}

/// <summary>What latency the adaptive policy holds.</summary>
public sealed record BatchingTargets
{
    /// <summary>The part of all intervals that must hold, unless one says otherwise.</summary>
    public const double DefaultPercentile = 0.95;

    /// <summary>The longest time between two tokens, unless one says otherwise.</summary>
    public static readonly TimeSpan DefaultInterToken = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest time between two tokens of a request, at <see cref="Percentile"/>.</summary>
    public TimeSpan InterToken { get; init; } = DefaultInterToken;

    /// <summary>The longest time to a request's first token; null leaves it to the load.</summary>
    public TimeSpan? FirstToken { get; init; }

    /// <summary>The part of all intervals that must be within <see cref="InterToken"/>, from 0.5 to below 1.</summary>
    public double Percentile { get; init; } = DefaultPercentile;

    /// <summary>Notes all that is wrong.</summary>
    public void Validate(ICollection<ParameterFault> faults)
    {
        faults.Check(InterToken > TimeSpan.Zero, nameof(InterToken), $"must be above 0", InterToken);
        faults.Check(
            FirstToken is null || FirstToken > TimeSpan.Zero, nameof(FirstToken), $"must be above 0", FirstToken);
        faults.Check(Percentile is >= 0.5 and < 1, nameof(Percentile), $"must be at least 0.5 and below 1", Percentile);
    }
}

using Octavo.Engine;

namespace Octavo;

/// <summary>How many requests and tokens share a step.</summary>
public enum BatchingMode
{
    /// <summary>As many as hold the latency targets, by a model of the step's time that is learned while it runs.</summary>
    Adaptive,

    /// <summary>As many as the two limits allow, always: vLLM's behaviour.</summary>
    Fixed,
}

/// <summary>What latency the adaptive policy holds.</summary>
public sealed record BatchingTargets
{
    /// <summary>The longest time between two tokens of a request, at <see cref="Percentile"/>.</summary>
    public TimeSpan InterToken { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest time to a request's first token; null leaves it to the load.</summary>
    public TimeSpan? FirstToken { get; init; }

    /// <summary>The part of all intervals that must be within <see cref="InterToken"/>, between 0 and 1.</summary>
    public double Percentile { get; init; } = 0.95;

    /// <summary>Checks the targets.</summary>
    /// <exception cref="EngineConfigurationException">A target is out of range.</exception>
    internal void Validate()
    {
        Check(InterToken > TimeSpan.Zero, $"target_itl must be above 0; it is {TimeText.Of(InterToken)}");
        Check(FirstToken is null || FirstToken > TimeSpan.Zero, $"target_ttft must be above 0; it is {TimeText.Of(FirstToken.GetValueOrDefault())}");
        Check(Percentile is >= 0.5 and < 1, $"the target percentile must be at least 0.5 and below 1; it is {Percentile}");
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

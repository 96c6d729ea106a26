using Octavo.Engine.Scheduling;
using Octavo.Engine.Sequences;

namespace Octavo.Engine.Batching;

/// <summary>What a policy knows when it decides on a step.</summary>
internal readonly record struct BatchingSnapshot
{
    /// <summary>The limits that the operator set; no policy goes beyond them.</summary>
    public required StepLimits Bounds { get; init; }

    /// <summary>Seconds, on the clock of <see cref="Sequence.ArrivalSeconds"/>.</summary>
    public double Now { get; init; }

    /// <summary>Running requests with one token to compute.</summary>
    public int NumDecoding { get; init; }

    /// <summary>Tokens that these have in the cache.</summary>
    public long DecodeContext { get; init; }

    /// <summary>Running requests in the middle of their prompts.</summary>
    public int NumPrefilling { get; init; }

    /// <summary>Prompt tokens that these have still to compute.</summary>
    public long PrefillTokens { get; init; }

    /// <summary>Where the first of them stands.</summary>
    public int PrefillStart { get; init; }

    public int NumWaiting { get; init; }

    /// <summary>Tokens of the waiting requests; some may turn out to be cached.</summary>
    public long WaitingTokens { get; init; }

    /// <summary>Tokens for which the cache has room.</summary>
    public long FreeTokens { get; init; }

    /// <summary>Tokens by which the running requests are expected to grow.</summary>
    public long ExpectedGrowth { get; init; }

    /// <summary>The mean length of recent prompts, in tokens to be computed.</summary>
    public double MeanPrompt { get; init; }

    /// <summary>The mean length of recent outputs.</summary>
    public double MeanOutput { get; init; }

    public int NumRunning => NumDecoding + NumPrefilling;
}

/// <summary>Decides each step's limits. Called by one thread; has no clock.</summary>
internal interface IBatchingPolicy
{
    /// <summary>What is wrong with the targets on this machine, or null.</summary>
    string? Advice { get; }

    /// <summary>The limits of the next step, within the snapshot's bounds.</summary>
    StepLimits Decide(in BatchingSnapshot snapshot, StepTimeModel model);

    /// <summary>Hears how long a step took, and how long it had been predicted to take.</summary>
    void Observe(in StepLoad load, double predicted, double actual);

    /// <summary>A fresh policy of the kind that was asked for.</summary>
    static IBatchingPolicy For(SchedulingOptions options) => options.Batching switch
    {
        BatchingMode.Adaptive => new AdaptiveBatching(options.Targets),
        BatchingMode.Fixed => new FixedBatching(),
    };
}

/// <summary>vLLM's behaviour: the same limits in every step.</summary>
internal sealed class FixedBatching : IBatchingPolicy
{
    public string? Advice => null;

    public StepLimits Decide(in BatchingSnapshot snapshot, StepTimeModel model) => snapshot.Bounds;

    public void Observe(in StepLoad load, double predicted, double actual)
    {
    }
}

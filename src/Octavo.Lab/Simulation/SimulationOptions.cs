using Octavo.Engine;
using Octavo.Engine.Batching;
using Octavo.Engine.Routing;

namespace Octavo.Lab.Simulation;

/// <summary>What is simulated: an engine's settings, how long its steps take, and how many there are.</summary>
internal sealed record SimulationOptions
{
    /// <summary>What <see cref="Routing"/> may be; the first is the default.</summary>
    public static IReadOnlyList<string> Routings => RoutingPolicies.Names;

    /// <summary>How long steps take, as <see cref="StepTimes.Measure"/> finds it.</summary>
    public required StepTimes StepTimes { get; init; }

    /// <summary>How many engines.</summary>
    public int Replicas { get; init; } = 1;

    /// <summary>Which of them gets a request: one of <see cref="Routings"/>.</summary>
    public string Routing { get; init; } = RoutingPolicies.Names[0];

    /// <summary>Who runs in a step; goodput is counted by its targets, whatever the policy.</summary>
    public SchedulingOptions Scheduling { get; init; } = new();

    /// <summary>Blocks of each engine's cache.</summary>
    public int NumBlocks { get; init; } = 8192;

    /// <summary>Tokens a block.</summary>
    public int BlockSize { get; init; } = 16;

    /// <summary>The part of all steps that something holds up.</summary>
    public double SlowSteps { get; init; }

    /// <summary>How many times as long such a step takes.</summary>
    public double SlowFactor { get; init; } = 5;

    /// <summary>Seeds noise and slow steps.</summary>
    public int Seed { get; init; }

    /// <summary>Request → seconds from the start at which its client goes away.</summary>
    internal Func<int, double?>? AbortAt { get; init; }

    /// <summary>Looks at each replica after each of its steps.</summary>
    internal Action<SimulatedReplica>? Observe { get; init; }

    internal StepTimeModel MakeModel() => StepTimeModel.Of([.. StepTimes.Coefficients]);
}

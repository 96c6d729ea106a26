using Octavo.Cpu.Linears;
using Octavo.Cpu.Simd;
using Octavo.Cpu.Threading;
using Octavo.Cpu.Weights;
using Octavo.Models;

namespace Octavo.Cpu.Sublayers;

/// <summary>What the MLPs of a decoder share.</summary>
internal sealed class FeedForwardWorkspace(IReadOnlyList<FeedForwardSpec> parts) : Workspace
{
    private readonly int _activated = parts.Max(part => part.IntermediateSize);

    /// <summary>The inner layer.</summary>
    public RowBuffer Activated { get; private set; } = null!;

    /// <inheritdoc/>
    public override long FloatsPerToken => _activated;

    /// <inheritdoc/>
    public override void Reserve(StepState step) => Activated = step.Own(new RowBuffer(step.MaxTokens, _activated));
}

/// <summary>An MLP.</summary>
internal sealed unsafe class FeedForwardSublayer : Sublayer
{
    private readonly FeedForwardSpec _spec;
    private readonly Linear _gateUp;
    private readonly Linear _down;
    private readonly ActivationCurve _curve;

    public FeedForwardSublayer(FeedForwardSpec spec, WeightStore weights)
        : base(spec, weights)
    {
        (_spec, _gateUp, _down) = (spec, Linear(LinearRole.GateUp), Linear(LinearRole.Down));
        _curve = spec.ActivationTensors?.All is [var positive, var negative]
            ? ActivationCurve.XIelu(weights.Load(positive)!.Floats[0], weights.Load(negative)!.Floats[0])
            : new ActivationCurve(spec.Activation);
    }

    /// <inheritdoc/>
    public override void Run(StepState step, int cacheLayer, TeamMember member)
    {
        int tokens = step.Batch.NumTokens;
        RowBuffer inner = step.Workspace<FeedForwardWorkspace>().Activated;
        OutputMode mode = _spec.IsGated ? OutputMode.Gate : OutputMode.Activate;
        StoreInput(step, _gateUp, member);
        step.Multiply(
            member, _gateUp, tokens,
            new LinearOutput(inner.Floats, inner.Stride, _spec.IntermediateSize, mode, _curve));
        step.Store(member, _down, inner.Floats, inner.Stride, tokens);
        AddResult(step, _down, member);
    }
}

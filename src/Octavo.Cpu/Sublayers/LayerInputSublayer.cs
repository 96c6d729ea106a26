using Octavo.Cpu.Linears;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Simd;
using Octavo.Cpu.Threading;
using Octavo.Cpu.Weights;
using Octavo.Models;

namespace Octavo.Cpu.Sublayers;

/// <summary>What layers are given beside the residual stream, for the tokens of a step.</summary>
internal sealed class LayerInputWorkspace(LayerInputs spec) : Workspace
{
    /// <summary>The inputs, <c>[tokens][count · width]</c>.</summary>
    public RowBuffer Inputs { get; private set; } = null!;

    /// <summary>A gate, then what it lets through.</summary>
    public RowBuffer Gated { get; private set; } = null!;

    /// <summary>Of each member, a row of the table.</summary>
    public NativeBuffer[] Rows { get; private set; } = [];

    /// <inheritdoc/>
    public override long FloatsPerToken => ((long)spec.Count * spec.Width) + spec.Width;

    /// <inheritdoc/>
    public override void Reserve(StepState step)
    {
        Inputs = step.Own(new RowBuffer(step.MaxTokens, spec.Count * spec.Width));
        Gated = step.Own(new RowBuffer(step.MaxTokens, spec.Width));
        Rows =
        [
            .. Enumerable.Range(0, step.Team.Count)
                .Select(_ => step.Own(NativeBuffer.OfFloats((long)spec.Count * spec.Width))),
        ];
    }
}

/// <summary>A layer's own embedding of the token, gated into the residual stream.</summary>
internal sealed unsafe class LayerInputSublayer : Sublayer
{
    private readonly LayerInputSpec _spec;
    private readonly Linear _gate;
    private readonly Linear _projection;

    public LayerInputSublayer(LayerInputSpec spec, WeightStore weights)
        : base(spec, weights) =>
        (_spec, _gate, _projection) = (spec, Linear(LinearRole.InputGate), Linear(LinearRole.InputProjection));

    /// <inheritdoc/>
    public override void Run(StepState step, int cacheLayer, TeamMember member)
    {
        int tokens = step.Batch.NumTokens;
        LayerInputWorkspace work = step.Workspace<LayerInputWorkspace>();
        RowBuffer gated = work.Gated;
        StoreInput(step, _gate, member);
        step.Multiply(
            member, _gate, tokens,
            new LinearOutput(
                gated.Floats, gated.Stride, _spec.InputWidth, OutputMode.Activate,
                new ActivationCurve(_spec.Activation)));
        step.ForRows(member, tokens, new GatedRows(this, step, work));
        AddResult(step, _projection, member);
    }

    private readonly struct GatedRows(LayerInputSublayer sublayer, StepState step, LayerInputWorkspace work) : IRows
    {
        public void Run(int row, TeamMember member)
        {
            (int number, int width) = (sublayer._spec.Number, sublayer._spec.InputWidth);
            float* gated = work.Gated.Row(row);
            RowKernels.Multiply(work.Inputs.Row(row) + ((long)number * width), gated, width);
            step.Store(sublayer._projection, row, gated);
        }
    }
}

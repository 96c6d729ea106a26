using System.Diagnostics;
using Octavo.Cpu.Linears;
using Octavo.Cpu.Simd;
using Octavo.Cpu.Threading;
using Octavo.Cpu.Weights;
using Octavo.Models;

namespace Octavo.Cpu.Sublayers;

/// <summary>
/// One part of a layer, as each member of the team runs it. Its weights belong to the <see cref="WeightStore"/> that it
/// is made from; what it reads and writes is the <see cref="StepState"/>'s, or its kind's <see cref="Workspace"/>.
/// </summary>
internal abstract unsafe class Sublayer
{
    private readonly PartSpec _part;
    private readonly NormWeights? _before;
    private readonly NormWeights? _output;
    private readonly NormWeights? _after;
    private readonly float _sumScale = 1;
    private bool _keepsInput;                // for parts of the layer that read it, too

    private protected Sublayer(PartSpec part, WeightStore weights)
    {
        _part = part;
        _before = weights.Load(part.NormBefore);
        _output = weights.Load(part.NormOutput);
        _after = weights.Load(part.NormAfter);
        if (part.SumScale is { } scale)
        {
            _sumScale = weights.Load(new VectorSpec(scale, 1))!.Floats[0];
        }

        Linears = [.. part.Linears.Select(linear => (linear, weights.Pack(linear)))];
    }

    /// <summary>The linear layers, in the order they run.</summary>
    public IReadOnlyList<(LinearSpec Spec, Linear Linear)> Linears { get; }

    /// <summary>Makes the sublayers of a layer, which run with any <see cref="StepState"/> of the decoder.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="weights">Packs and owns its weights.</param>
    /// <param name="step">Lends what lasts as long as the weights do: tables of positions.</param>
    public static Sublayer[] Make(LayerSpec layer, WeightStore weights, StepState step)
    {
        Sublayer[] sublayers = [.. layer.Parts.Select(part => part switch
        {
            AttentionSpec attention =>
                (Sublayer)new AttentionSublayer(attention, weights, step.Workspace<AttentionWorkspace>().Rotary),
            FeedForwardSpec feedForward => new FeedForwardSublayer(feedForward, weights),
            LayerInputSpec input => new LayerInputSublayer(input, weights),
            _ => throw new UnreachableException($"{part}"),
        })];
        if (sublayers is [var first, ..])
        {
            first._keepsInput = layer.Parts.Skip(1).Any(part => part.ReadsLayerInput);
        }

        return sublayers;
    }

    /// <summary>What the parts of a decoder share, for each kind that it has and that shares anything.</summary>
    public static IEnumerable<Workspace> WorkspacesOf(DecoderSpec spec) =>
    [
        .. spec.Attentions.Any() ? [new AttentionWorkspace([.. spec.Attentions])] : Array.Empty<Workspace>(),
        .. spec.FeedForwards.Any() ? [new FeedForwardWorkspace([.. spec.FeedForwards])] : Array.Empty<Workspace>(),
        .. spec.LayerInputs is { } inputs ? [new LayerInputWorkspace(inputs)] : Array.Empty<Workspace>(),
    ];

    /// <summary>Adds the part's result to the residual stream.</summary>
    /// <param name="step">The step.</param>
    /// <param name="cacheLayer">The layer of the cache that is its own, where it keeps something there.</param>
    /// <param name="member">A member of the team.</param>
    public abstract void Run(StepState step, int cacheLayer, TeamMember member);

    /// <summary>Norms a row, or one head of it.</summary>
    public static void Norm(NormWeights norm, float* x, float* y, int head = 0)
    {
        NormSpec spec = norm.Spec;
        float* weight = norm.Weight + ((long)head * spec.Width);
        switch (spec.Kind)
        {
            case NormKind.Rms:
                RowKernels.RmsNorm(x, weight, spec.Epsilon, y, spec.Width);
                break;
            case NormKind.Layer:
                RowKernels.LayerNorm(x, weight, norm.Bias, spec.Epsilon, y, spec.Width);
                break;
            default:
                throw new UnreachableException($"{spec.Kind}");
        }
    }

    /// <summary>The linear layer of a role.</summary>
    protected Linear Linear(LinearRole role) => Linears.First(linear => linear.Spec.Role == role).Linear;

    /// <summary>Writes the part's input: the residual stream, normed where a norm stands before.</summary>
    protected void StoreInput(StepState step, Linear first, TeamMember member) =>
        step.ForRows(member, step.Batch.NumTokens, new InputRows(this, step, first));

    /// <summary>
    /// Computes the part's last linear layer, and adds what it gives to the residual stream: at once, or normed and
    /// scaled first; and scales and norms the sum, where that is so.
    /// </summary>
    protected void AddResult(StepState step, Linear last, TeamMember member)
    {
        int tokens = step.Batch.NumTokens;
        bool atOnce = _output is null && _part.ResidualScale == 1;
        RowBuffer to = atOnce ? step.Hidden : step.Projected;
        step.Multiply(
            member, last, tokens,
            new LinearOutput(
                to.Floats, to.Stride, last.OutFeatures, atOnce ? OutputMode.Add : OutputMode.Store));
        if (!atOnce || _sumScale != 1 || _after is not null)
        {
            step.ForRows(member, tokens, new ResultRows(this, step, atOnce));
        }
    }

    private readonly struct InputRows(Sublayer sublayer, StepState step, Linear first) : IRows
    {
        public void Run(int row, TeamMember member)
        {
            float* x = step.Hidden.Row(row);
            if (sublayer._keepsInput)
            {
                new ReadOnlySpan<float>(x, sublayer._part.Width).CopyTo(
                    new Span<float>(step.LayerInput.Row(row), sublayer._part.Width));
            }

            x = sublayer._part.ReadsLayerInput ? step.LayerInput.Row(row) : x;
            if (sublayer._before is { } norm)
            {
                Norm(norm, x, step.Row(member));
                x = step.Row(member);
            }

            step.Store(first, row, x);
        }
    }

    private readonly struct ResultRows(Sublayer sublayer, StepState step, bool isAdded) : IRows
    {
        public void Run(int row, TeamMember member)
        {
            float* sum = step.Hidden.Row(row);
            if (!isAdded)
            {
                float* result = step.Projected.Row(row);
                if (sublayer._output is { } norm)
                {
                    Norm(norm, result, result);
                }

                RowKernels.AddScaled(result, sublayer._part.ResidualScale, sum, sublayer._part.Width);
            }

            if (sublayer._sumScale != 1)
            {
                RowKernels.Scale(sum, sublayer._sumScale, sublayer._part.Width);
            }

            if (sublayer._after is { } after)
            {
                Norm(after, sum, sum);
            }
        }
    }
}

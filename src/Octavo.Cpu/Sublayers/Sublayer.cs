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
    private readonly NormWeights? _before;
    private readonly NormWeights? _after;

    private protected Sublayer(PartSpec part, WeightStore weights)
    {
        _before = weights.Load(part.NormBefore);
        _after = weights.Load(part.NormAfter);
        Linears = [.. part.Linears.Select(linear => (linear, weights.Pack(linear)))];
    }

    /// <summary>The linear layers, in the order they run.</summary>
    public IReadOnlyList<(LinearSpec Spec, Linear Linear)> Linears { get; }

    /// <summary>Makes the sublayers of a layer, which run with any <see cref="StepState"/> of the decoder.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="weights">Packs and owns its weights.</param>
    /// <param name="step">Lends what lasts as long as the weights do: tables of positions.</param>
    public static Sublayer[] Make(LayerSpec layer, WeightStore weights, StepState step) =>
        [.. layer.Parts.Select(part => part switch
        {
            AttentionSpec attention =>
                (Sublayer)new AttentionSublayer(attention, weights, step.Workspace<AttentionWorkspace>().Rotary),
            FeedForwardSpec feedForward => new FeedForwardSublayer(feedForward, weights),
            _ => throw new UnreachableException($"{part}"),
        })];

    /// <summary>What the parts of a decoder share, for each kind that it has and that shares anything.</summary>
    public static IEnumerable<Workspace> WorkspacesOf(DecoderSpec spec) =>
    [
        .. spec.Attentions.Any() ? [new AttentionWorkspace([.. spec.Attentions])] : Array.Empty<Workspace>(),
        .. spec.FeedForwards.Any() ? [new FeedForwardWorkspace([.. spec.FeedForwards])] : Array.Empty<Workspace>(),
    ];

    /// <summary>Adds the part's result to the residual stream.</summary>
    /// <param name="step">The step.</param>
    /// <param name="cacheLayer">The layer of the cache that is its own, where it keeps something there.</param>
    /// <param name="member">A member of the team.</param>
    public abstract void Run(StepState step, int cacheLayer, TeamMember member);

    /// <summary>Norms a row.</summary>
    public static void Norm(NormWeights norm, float* x, float* y)
    {
        NormSpec spec = norm.Spec;
        switch (spec.Kind)
        {
            case NormKind.Rms:
                RowKernels.RmsNorm(x, norm.Weight, spec.Epsilon, y, spec.Width);
                break;
            case NormKind.Layer:
                RowKernels.LayerNorm(x, norm.Weight, norm.Bias, spec.Epsilon, y, spec.Width);
                break;
            default:
                throw new UnreachableException($"{spec.Kind}");
        }
    }

    /// <summary>The linear layer of a role.</summary>
    protected Linear Linear(LinearRole role) => Linears.First(linear => linear.Spec.Role == role).Linear;

    /// <summary>Results are added to the residual stream.</summary>
    protected static LinearOutput Residual(StepState step, Linear last) =>
        new(step.Hidden.Floats, step.Hidden.Stride, last.OutFeatures, OutputMode.Add);

    /// <summary>Writes the part's input: the residual stream, normed where a norm stands before.</summary>
    protected void StoreInput(StepState step, Linear first, TeamMember member) =>
        step.ForRows(member, step.Batch.NumTokens, new InputRows(step, _before, first));

    /// <summary>Norms the sum, where a norm stands after.</summary>
    protected void NormSum(StepState step, TeamMember member)
    {
        if (_after is not null)
        {
            step.ForRows(member, step.Batch.NumTokens, new SumRows(step, _after));
        }
    }

    private readonly struct InputRows(StepState step, NormWeights? norm, Linear first) : IRows
    {
        public void Run(int row, TeamMember member)
        {
            float* x = step.Hidden.Row(row);
            if (norm is not null)
            {
                Norm(norm, x, step.Row(member));
                x = step.Row(member);
            }

            step.Store(first, row, x);
        }
    }

    private readonly struct SumRows(StepState step, NormWeights norm) : IRows
    {
        public void Run(int row, TeamMember member) => Norm(norm, step.Hidden.Row(row), step.Hidden.Row(row));
    }
}

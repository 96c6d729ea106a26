using Octavo.Cpu.Panels;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Cpu.Weights;

/// <summary>One linear layer before it is packed: where its weights come from and which arithmetic they take.</summary>
/// <param name="Source">Its weights.</param>
/// <param name="Scheme">The arithmetic.</param>
internal sealed record PlannedMatrix(MatrixSource Source, LinearScheme Scheme)
{
    /// <summary>Bytes of the panels.</summary>
    public long PanelsBytes => Sizes.Panels;

    /// <summary>Bytes of the bias.</summary>
    public long BiasBytes => Sizes.Bias;

    private (long Panels, long Bias) Sizes =>
        PackedPanels.BytesFor(Source.Rows, Source.Columns, Source.HasBias, Scheme);
}

/// <summary>
/// How each linear layer of a decoder is stored: the checkpoint's own codes where it has some, else the scheme that was
/// asked for. Matrices that share an input are one.
/// </summary>
internal sealed class WeightPlan
{
    private static readonly LinearScheme Numbers = new(WeightCode.Float32, InputCode.Float32);

    private readonly IWeightSource _source;
    private readonly LinearScheme _scheme;
    private readonly List<string> _notes = [];
    private readonly Dictionary<string, PlannedMatrix> _matrices = [];

    /// <summary>Plans a decoder.</summary>
    /// <param name="spec">The decoder.</param>
    /// <param name="source">Its weights.</param>
    /// <param name="scheme">The scheme of what the source does not store quantized.</param>
    /// <param name="head">The scheme of the output head; null takes <see cref="WeightScheme.ForHead"/>.</param>
    /// <param name="isa">The kernels.</param>
    public WeightPlan(
        DecoderSpec spec, IWeightSource source, WeightScheme scheme, WeightScheme? head, InstructionSet isa)
        : this(spec.Linears.Where(linear => linear.Role != LinearRole.OutputHead), source, scheme, isa)
    {
        // A tied head is an embedding, which is no linear layer to whoever quantized the checkpoint.
        LinearSpec linear = spec.Head;
        MatrixSource weights = spec.TiesHead ? source.Table(spec.TokenTable) : source.Matrix(linear.Matrices[0]);
        _matrices.Add(linear.Name, Fitted(weights, weights.Stored ?? LinearScheme.For(head ?? scheme.ForHead, isa)));
    }

    /// <summary>Plans some linear layers.</summary>
    /// <param name="linears">The layers.</param>
    /// <param name="source">Their weights.</param>
    /// <param name="scheme">The scheme of what the source does not store quantized.</param>
    /// <param name="isa">The kernels.</param>
    public WeightPlan(IEnumerable<LinearSpec> linears, IWeightSource source, WeightScheme scheme, InstructionSet isa)
    {
        (_source, _scheme) = (source, LinearScheme.For(scheme, isa));
        foreach (LinearSpec linear in linears)
        {
            _matrices.Add(linear.Name, Plan(linear));
        }
    }

    /// <summary>What is not done exactly as the checkpoint or the scheme asks, in words.</summary>
    public IReadOnlyList<string> Notes => [.. _notes.Distinct()];

    /// <summary>Bytes of all panels and biases.</summary>
    public long Bytes => _matrices.Values.Sum(m => m.PanelsBytes + m.BiasBytes);

    /// <summary>All linear layers, by <see cref="LinearSpec.Name"/>.</summary>
    public IEnumerable<(string Name, PlannedMatrix Matrix)> Matrices => _matrices.Select(m => (m.Key, m.Value));

    /// <summary>How a linear layer is stored.</summary>
    public PlannedMatrix this[LinearSpec linear] => _matrices[linear.Name];

    private PlannedMatrix Plan(LinearSpec linear)
    {
        MatrixSource[] parts = [.. linear.Matrices.Select(_source.Matrix)];
        MatrixSource source = parts.Length == 1 ? parts[0]
            : linear.Role == LinearRole.GateUp ? new GatedMatrix(parts[0], parts[1])
            : new StackedMatrix(parts);
        if (source.Stored is { } stored)
        {
            return new PlannedMatrix(source, stored);
        }

        if (!Array.Exists(parts, p => p.IsQuantized))
        {
            return Fitted(source, _scheme);
        }

        // Every code times its scale is a float32 number: nothing is lost but memory.
        string names = string.Join(", ", linear.Matrices.Select(m => m.Names.Module));
        _notes.Add(
            parts.Length > 1
                ? $"{names} share an input but not a scheme: they are kept as float32"
                : $"{names} has groups that no kernel reads: it is kept as float32");
        return new PlannedMatrix(source, Numbers);
    }

    private PlannedMatrix Fitted(MatrixSource source, LinearScheme scheme)
    {
        LinearScheme fitted = source.Stored == scheme ? scheme : scheme.Fit(source.Columns);
        if (fitted.GroupSize != scheme.GroupSize)
        {
            _notes.Add($"matrices of {source.Columns} inputs: groups of {fitted.GroupSize}, because "
                + $"{scheme.GroupSize} does not divide them");
        }

        return new PlannedMatrix(source, fitted);
    }
}

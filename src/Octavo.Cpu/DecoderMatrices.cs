using Octavo.Cpu.Kernels;
using Octavo.Cpu.Linears;
using Octavo.Formats;
using Octavo.Formats.Quantization;
using Octavo.Models;

namespace Octavo.Cpu;

/// <summary>One linear layer before it is packed: where its weights come from and which arithmetic they take.</summary>
/// <param name="Names">The checkpoint's matrices that it is made of.</param>
/// <param name="Source">Their weights.</param>
/// <param name="Scheme">The arithmetic.</param>
internal sealed record PlannedMatrix(IReadOnlyList<LinearTensors> Names, MatrixSource Source, LinearScheme Scheme)
{
    /// <summary>Bytes of the panels and the bias.</summary>
    public long Bytes
    {
        get
        {
            (long weights, long bias) = PackedPanels.BytesFor(Source.Rows, Source.Columns, Source.HasBias, Scheme);
            return weights + bias;
        }
    }
}

/// <summary>
/// Which matrices a decoder runs and how each is stored: the checkpoint's own codes where it has some, else the format
/// that was asked for. Projections that share an input are one matrix.
/// </summary>
internal sealed class DecoderMatrices
{
    private static readonly LinearScheme Numbers = new(WeightCode.Float32, InputCode.Float32);

    private readonly DecoderSpec _spec;
    private readonly Checkpoint? _checkpoint;
    private readonly LinearScheme _scheme;
    private readonly List<string> _notes = [];

    /// <summary>Plans a decoder.</summary>
    /// <param name="spec">The decoder.</param>
    /// <param name="checkpoint">Its weights; null plans unquantized weights that need not exist.</param>
    /// <param name="format">The format of what the checkpoint does not store quantized.</param>
    /// <param name="head">The format of the output head; null leaves it to the policy of <see cref="LinearScheme.ForHead"/>.</param>
    /// <param name="isa">The kernels.</param>
    public DecoderMatrices(DecoderSpec spec, Checkpoint? checkpoint, WeightFormat format, WeightFormat? head, InstructionSet isa)
    {
        (_spec, _checkpoint) = (spec, checkpoint);
        _scheme = LinearScheme.For(format, isa);
        DecoderTensors t = spec.Tensors;
        ProjectIn = t.ProjectIn is null ? null : Plan(spec.EmbeddingSize, (t.ProjectIn, spec.HiddenSize));
        ProjectOut = t.ProjectOut is null ? null : Plan(spec.HiddenSize, (t.ProjectOut, spec.EmbeddingSize));
        Layers = [.. t.Layers.Select(PlanLayer)];
        LinearTensors names = t.OutputHead ?? new LinearTensors(t.TokenEmbedding, null);

        // A tied head is an embedding, which is no linear layer to whoever quantized the checkpoint.
        MatrixSource source = t.OutputHead is null && checkpoint is not null
            ? new TensorMatrix(checkpoint.Get(t.TokenEmbedding), null)
            : Source(names, spec.VocabSize, spec.EmbeddingSize);
        OutputHead = Fitted([names], source, source.Stored ?? (head is { } h ? LinearScheme.For(h, isa) : LinearScheme.ForHead(format, isa)));
    }

    public PlannedMatrix? ProjectIn { get; }

    public PlannedMatrix? ProjectOut { get; }

    public IReadOnlyList<PlannedLayer> Layers { get; }

    public PlannedMatrix OutputHead { get; }

    /// <summary>What is not done exactly as the checkpoint or the format asks, in words.</summary>
    public IReadOnlyList<string> Notes => [.. _notes.Distinct()];

    /// <summary>Every matrix.</summary>
    public IEnumerable<PlannedMatrix> All =>
        [.. Layers.SelectMany(l => (PlannedMatrix[])[l.QueryKeyValue, l.Output, l.GateUp, l.Down]), .. Optional(ProjectIn), .. Optional(ProjectOut), OutputHead];

    private static IEnumerable<PlannedMatrix> Optional(PlannedMatrix? matrix) => matrix is null ? [] : [matrix];

    private PlannedLayer PlanLayer(LayerTensors layer)
    {
        int queries = _spec.NumHeads * _spec.HeadDim;
        int keys = _spec.NumKvHeads * _spec.HeadDim;
        return new PlannedLayer(
            Plan(_spec.HiddenSize, (layer.Query, queries), (layer.Key, keys), (layer.Value, keys)),
            Plan(queries, (layer.Output, _spec.HiddenSize)),
            layer.Gate is null ? Plan(_spec.HiddenSize, (layer.Up, _spec.IntermediateSize)) : PlanGated(layer.Gate, layer.Up),
            Plan(_spec.IntermediateSize, (layer.Down, _spec.HiddenSize)));
    }

    private PlannedMatrix Plan(int columns, params (LinearTensors Names, int Rows)[] parts)
    {
        MatrixSource[] sources = [.. parts.Select(p => Source(p.Names, p.Rows, columns))];
        return Choose([.. parts.Select(p => p.Names)], sources.Length == 1 ? sources[0] : new StackedMatrix(sources), sources);
    }

    private PlannedMatrix PlanGated(LinearTensors gate, LinearTensors up)
    {
        MatrixSource[] sources = [Source(gate, _spec.IntermediateSize, _spec.HiddenSize), Source(up, _spec.IntermediateSize, _spec.HiddenSize)];
        return Choose([gate, up], new GatedMatrix(sources[0], sources[1]), sources);
    }

    private PlannedMatrix Choose(IReadOnlyList<LinearTensors> names, MatrixSource source, MatrixSource[] parts)
    {
        if (source.Stored is { } stored)
        {
            return new PlannedMatrix(names, source, stored);
        }

        if (!Array.Exists(parts, p => p is QuantizedSource))
        {
            return Fitted(names, source, _scheme);
        }

        // Every code times its scale is a float32 number: nothing is lost but memory.
        _notes.Add(
            parts.Length > 1
                ? $"{Join(names)} share an input but not a scheme: they are kept as float32"
                : $"{Join(names)} has groups that no kernel reads: it is kept as float32");
        return new PlannedMatrix(names, source, Numbers);
    }

    private PlannedMatrix Fitted(IReadOnlyList<LinearTensors> names, MatrixSource source, LinearScheme scheme)
    {
        LinearScheme fitted = source.Stored == scheme ? scheme : scheme.Fit(source.Columns);
        if (fitted.GroupSize != scheme.GroupSize)
        {
            _notes.Add($"matrices of {source.Columns} inputs: groups of {fitted.GroupSize}, because {scheme.GroupSize} does not divide them");
        }

        return new PlannedMatrix(names, source, fitted);
    }

    private MatrixSource Source(LinearTensors names, int rows, int columns)
    {
        if (_checkpoint is null)
        {
            return new UnreadMatrix(rows, columns, names.Bias is not null);
        }

        Tensor? bias = names.Bias is null ? null : _checkpoint.Get(names.Bias);
        return _checkpoint.FindQuantized(names.Weight) is { } quantized
            ? new QuantizedSource(quantized, bias)
            : new TensorMatrix(_checkpoint.Get(names.Weight), bias);
    }

    private static string Join(IReadOnlyList<LinearTensors> names) => string.Join(", ", names.Select(n => n.Weight.Replace(".weight", string.Empty, StringComparison.Ordinal)));
}

/// <summary>The matrices of one layer.</summary>
internal sealed record PlannedLayer(PlannedMatrix QueryKeyValue, PlannedMatrix Output, PlannedMatrix GateUp, PlannedMatrix Down);

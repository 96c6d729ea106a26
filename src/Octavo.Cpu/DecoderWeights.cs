using Octavo.Cpu.Kernels;
using Octavo.Cpu.Linears;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Cpu;

/// <summary>A norm's parameters as float32.</summary>
internal sealed unsafe class NormWeights : IDisposable
{
    private readonly NativeBuffer _weight;
    private readonly NativeBuffer? _bias;

    public NormWeights(Checkpoint checkpoint, NormTensors names)
    {
        _weight = Load(checkpoint.Get(names.Weight));
        _bias = names.Bias is null ? null : Load(checkpoint.Get(names.Bias));
    }

    public NormWeights(ReadOnlySpan<float> weight, ReadOnlySpan<float> bias)
    {
        _weight = Copy(weight);
        _bias = bias.IsEmpty ? null : Copy(bias);
    }

    public float* Weight => _weight.Floats;

    public float* Bias => _bias is null ? null : _bias.Floats;

    public void Dispose()
    {
        _weight.Dispose();
        _bias?.Dispose();
    }

    private static NativeBuffer Copy(ReadOnlySpan<float> values)
    {
        var buffer = NativeBuffer.OfFloats(values.Length);
        values.CopyTo(new Span<float>(buffer.Floats, values.Length));
        return buffer;
    }

    private static NativeBuffer Load(Tensor tensor)
    {
        var buffer = NativeBuffer.OfFloats(tensor.ElementCount);
        ElementConversion.ToFloat32(
            tensor.Type, tensor.Bytes(0, (int)tensor.ByteLength), new Span<float>(buffer.Floats, (int)tensor.ElementCount));
        return buffer;
    }
}

/// <summary>One layer, ready to run: projections that share an input are stacked into one matrix.</summary>
internal sealed record LayerWeights(
    NormWeights AttentionNorm, Linear QueryKeyValue, Linear Output, NormWeights MlpNorm, Linear GateUp, Linear Down) : IDisposable
{
    public void Dispose()
    {
        AttentionNorm.Dispose();
        QueryKeyValue.Dispose();
        Output.Dispose();
        MlpNorm.Dispose();
        GateUp.Dispose();
        Down.Dispose();
    }
}

/// <summary>
/// All weights of a decoder in the forms that this processor reads. Embedding rows are read from the mapped checkpoint,
/// which therefore stays open as long as the weights live.
/// </summary>
internal sealed class DecoderWeights : IDisposable
{
    private readonly List<IDisposable> _owned = [];
    private readonly Checkpoint _checkpoint;
    private readonly InstructionSet _isa;
    private readonly IProgress<LoadProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly long _total;
    private long _read;

    public DecoderWeights(
        DecoderSpec spec,
        Checkpoint checkpoint,
        CpuRunnerOptions options,
        InstructionSet isa,
        IProgress<LoadProgress>? progress,
        CancellationToken cancellationToken)
    {
        (_checkpoint, _isa, _progress, _cancellation) = (checkpoint, isa, progress, cancellationToken);
        _total = checkpoint.TotalBytes;
        try
        {
            DecoderTensors t = spec.Tensors;
            TokenEmbedding = new TensorMatrix(checkpoint.Get(t.TokenEmbedding), null);
            PositionEmbedding = t.PositionEmbedding is null ? null : new TensorMatrix(checkpoint.Get(t.PositionEmbedding), null);
            var matrices = new DecoderMatrices(spec, checkpoint, options.Weights, options.Head, isa);
            ProjectIn = matrices.ProjectIn is null ? null : Pack(matrices.ProjectIn);
            Layers = [.. t.Layers.Zip(matrices.Layers, LoadLayer)];
            FinalNorm = t.FinalNorm is null ? null : Norm(t.FinalNorm);
            ProjectOut = matrices.ProjectOut is null ? null : Pack(matrices.ProjectOut);
            OutputHead = Pack(matrices.OutputHead);
        }
        catch
        {
            Dispose();
            throw;
        }

        _progress?.Report(new LoadProgress(_total, _total));
    }

    public MatrixSource TokenEmbedding { get; }

    public MatrixSource? PositionEmbedding { get; }

    public Linear? ProjectIn { get; }

    public LayerWeights[] Layers { get; }

    public NormWeights? FinalNorm { get; }

    public Linear? ProjectOut { get; }

    public Linear OutputHead { get; }

    /// <summary>All linear layers.</summary>
    public IEnumerable<Linear> Linears => _owned.OfType<Linear>();

    /// <summary>Bytes of the packed matrices.</summary>
    public long Bytes { get; private set; }

    public void Dispose()
    {
        foreach (IDisposable owned in _owned)
        {
            owned.Dispose();
        }
    }

    private LayerWeights LoadLayer(LayerTensors names, PlannedLayer layer) => new(
        Norm(names.AttentionNorm),
        Pack(layer.QueryKeyValue),
        Pack(layer.Output),
        Norm(names.MlpNorm),
        Pack(layer.GateUp),
        Pack(layer.Down));

    private NormWeights Norm(NormTensors names)
    {
        var norm = new NormWeights(_checkpoint, names);
        _owned.Add(norm);
        return norm;
    }

    private Linear Pack(PlannedMatrix matrix)
    {
        _cancellation.ThrowIfCancellationRequested();
        var linear = new Linear(matrix.Source, matrix.Scheme, _isa);
        _owned.Add(linear);
        Bytes += linear.Bytes;
        _read += matrix.Source.StoredBytes;
        _progress?.Report(new LoadProgress(Math.Min(_read, _total), _total));
        return linear;
    }
}

using Octavo.Cpu.Panels;
using Octavo.Cpu.Weights;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Quantization.Workbench;

/// <summary>A norm's parameters, to be changed.</summary>
internal sealed class FloatNorm
{
    public FloatNorm(Checkpoint checkpoint, NormSpec spec)
    {
        Spec = spec;
        StoredType = spec.Names.Weight is { } weight ? checkpoint.Get(weight).Type : TensorType.Float32;
        (Weight, Bias) = new CheckpointSource(checkpoint).Norm(spec);
    }

    public NormSpec Spec { get; }

    public TensorType StoredType { get; }

    public float[] Weight { get; }

    public float[]? Bias { get; }
}

/// <summary>A linear layer's matrices as they are stored, to be changed.</summary>
internal sealed record LinearUnderWork(LinearSpec Spec, FloatMatrix[] Matrices);

/// <summary>One part of a layer, to be changed.</summary>
internal sealed class PartUnderWork
{
    public PartUnderWork(Checkpoint checkpoint, LayerSpec layer, PartSpec spec)
    {
        Spec = spec;
        Vectors = [.. spec.Vectors.Select(vector => (vector, new CheckpointSource(checkpoint).Vector(vector)))];
        SharesNorm = layer.Parts.Count(part => part.NormBefore?.Names == spec.NormBefore?.Names) > 1;
        Norms = [.. spec.Norms.Select(norm => new FloatNorm(checkpoint, norm))];
        Linears = [.. spec.Linears.Select(
            linear => new LinearUnderWork(linear, [.. linear.Stored.Select(m => FloatMatrix.Load(checkpoint, m))]))];
    }

    public PartSpec Spec { get; }

    /// <summary>The norms.</summary>
    public IReadOnlyList<FloatNorm> Norms { get; }

    /// <summary>What it computes with beside matrices and norms.</summary>
    public IReadOnlyList<(VectorSpec Spec, float[] Values)> Vectors { get; }

    /// <summary>Whether another part of the layer reads the same norm.</summary>
    public bool SharesNorm { get; }

    /// <summary>The norm of the part's input, or null.</summary>
    public FloatNorm? NormBefore => Norms.FirstOrDefault(norm => norm.Spec == Spec.NormBefore);

    /// <summary>The linear layers, in the order they run.</summary>
    public IReadOnlyList<LinearUnderWork> Linears { get; }
}

/// <summary>One layer in float32 while it is being quantized: changed by smoothing, then coded.</summary>
internal sealed class LayerUnderWork(DecoderSpec spec, Checkpoint checkpoint, int index)
{
    /// <summary>The layer's number.</summary>
    public int Index => index;

    /// <summary>What it is.</summary>
    public LayerSpec Spec => spec.Layers[index];

    /// <summary>Its parts, in the order they run.</summary>
    public IReadOnlyList<PartUnderWork> Parts { get; } =
        [.. spec.Layers[index].Parts.Select(part => new PartUnderWork(checkpoint, spec.Layers[index], part))];

    /// <summary>The linear layers of all parts.</summary>
    public IEnumerable<LinearUnderWork> Linears => Parts.SelectMany(part => part.Linears);

    /// <summary>The weights as they are now: a matrix with codes as it will be loaded, any other in float32.</summary>
    public IWeightSource With(IReadOnlyDictionary<string, CodedMatrix> coded) => new Source(this, coded);

    private sealed class Source(LayerUnderWork layer, IReadOnlyDictionary<string, CodedMatrix> coded) : IWeightSource
    {
        public MatrixSource Matrix(MatrixSpec matrix)
        {
            FloatMatrix numbers =
                layer.Linears.SelectMany(linear => linear.Matrices).First(m => m.Module == matrix.Names.Module);
            MatrixSource all = coded.TryGetValue(numbers.Module, out CodedMatrix? codes)
                ? new QuantizedSource(codes, numbers.Bias)
                : numbers;
            return matrix.Names.Rows is { } rows ? new RowsOfMatrix(all, rows, matrix.Rows) : all;
        }

        public MatrixSource Table(TableSpec table) => throw new NotSupportedException("a layer has no tables");

        public (float[] Weight, float[]? Bias) Norm(NormSpec norm)
        {
            FloatNorm now = layer.Parts.SelectMany(part => part.Norms).First(n => n.Spec == norm);
            return (now.Weight, now.Bias);
        }

        public float[] Vector(VectorSpec vector) =>
            layer.Parts.SelectMany(part => part.Vectors).First(v => v.Spec == vector).Values;

        public void LetGo(LinearSpec linear)
        {
            // The numbers are the layer's own, and are worked on further.
        }
    }
}

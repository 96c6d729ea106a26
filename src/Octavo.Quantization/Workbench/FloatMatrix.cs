using Octavo.Cpu.Panels;
using Octavo.Formats;
using Octavo.Formats.Stored;
using Octavo.Models;

namespace Octavo.Quantization.Workbench;

/// <summary>A weight matrix <c>[out, in]</c> in float32, to be changed and quantized.</summary>
internal sealed class FloatMatrix : MatrixSource
{
    private readonly Tensor? _bias;

    private FloatMatrix(MatrixSpec spec, Tensor weight, Tensor? bias)
    {
        _bias = bias;
        Spec = spec;
        StoredType = weight.Type;
        Rows = checked((int)weight.Shape[0]);
        Columns = checked((int)weight.Shape[1]);
        Data = new float[(long)Rows * Columns];
        var source = new TensorMatrix(weight, bias);
        Parallel.For(0, Rows, row => source.ReadRow(row, Row(row)));
    }

    /// <summary>What it is.</summary>
    public MatrixSpec Spec { get; }

    /// <summary>The weight's name less <c>.weight</c>.</summary>
    public string Module => Spec.Names.Module;

    /// <summary>The type that the checkpoint stores it in; scales take the same.</summary>
    public TensorType StoredType { get; }

    /// <summary>The weights, row by row.</summary>
    public float[] Data { get; }

    public Tensor? Bias => _bias;

    public override int Rows { get; }

    public override int Columns { get; }

    public override bool HasBias => _bias is not null;

    public static FloatMatrix Load(Checkpoint checkpoint, MatrixSpec spec) =>
        new(spec, checkpoint.Get(spec.Names.Weight), spec.Names.Bias is null ? null : checkpoint.Get(spec.Names.Bias));

    public Span<float> Row(int row) => Data.AsSpan(row * Columns, Columns);

    public override void ReadRow(int row, Span<float> destination) => Row(row).CopyTo(destination);

    public override void ReadBias(Span<float> destination) =>
        ElementConversion.ToFloat32(_bias!.Type, _bias.Bytes(0, checked((int)_bias.ByteLength)), destination);
}

/// <summary>
/// A matrix's codes, scales and zero-points, as they will be written; scales are rounded to their stored type already.
/// </summary>
internal sealed class CodedMatrix : QuantizedMatrix
{
    private CodedMatrix(int rows, int columns, int groups)
    {
        (Codes, Scales, Zeros) =
            (new sbyte[(long)rows * columns], new float[(long)rows * groups], new int[(long)rows * groups]);
    }

    public sbyte[] Codes { get; }

    public float[] Scales { get; }

    public int[] Zeros { get; }

    public required WeightScheme Scheme { get; init; }

    public required TensorType ScaleType { get; init; }

    /// <summary>Room for a matrix's codes.</summary>
    public static CodedMatrix For(FloatMatrix matrix, WeightScheme scheme)
    {
        int group = scheme.GroupOf(matrix.Columns);
        return new CodedMatrix(matrix.Rows, matrix.Columns, matrix.Columns / group)
        {
            Module = matrix.Module,
            Rows = matrix.Rows,
            Columns = matrix.Columns,
            Kind = scheme.Kind,
            Bits = scheme.Bits,
            GroupSize = group,
            Asymmetric = scheme.Asymmetric,
            Activations = scheme.Activations,
            ByteLength = 0,
            Scheme = scheme,
            ScaleType = matrix.StoredType,
        };
    }

    public override void ReadCodes(int row, Span<sbyte> codes) => Codes.AsSpan(row * Columns, Columns).CopyTo(codes);

    public override void ReadScales(int row, Span<float> scales) => Scales.AsSpan(row * Groups, Groups).CopyTo(scales);

    public override void ReadZeros(int row, Span<int> zeros) => Zeros.AsSpan(row * Groups, Groups).CopyTo(zeros);
}

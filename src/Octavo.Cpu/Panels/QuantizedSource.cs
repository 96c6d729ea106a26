using System.Buffers;
using Octavo.Formats;
using Octavo.Formats.Stored;

namespace Octavo.Cpu.Panels;

/// <summary>
/// A matrix that the checkpoint stores quantized. Its codes go into the panels as they are wherever a kernel reads such
/// codes; else rows are read as numbers, <c>(code − zero) · scale</c> in float32.
/// </summary>
internal sealed class QuantizedSource : MatrixSource
{
    /// <summary>
    /// The shortest group that kernels take, or all inputs where they are fewer: shorter ones would have more scales
    /// than codes.
    /// </summary>
    public const int ShortestGroup = 16;

    private readonly QuantizedMatrix _matrix;
    private readonly Tensor? _bias;

    public QuantizedSource(QuantizedMatrix matrix, Tensor? bias)
    {
        (_matrix, _bias) = (matrix, bias);
        int group = Divisor(matrix.GroupSize, matrix.Columns);
        if (matrix.GroupIndex is { } index)
        {
            InputOrder = OrderByGroup(index);
            bool together = Enumerable.Range(0, matrix.Columns)
                .All(k => index[InputOrder[k]] == index[InputOrder[k / group * group]]);
            group = together ? group : 0;
        }

        Stored = !matrix.HasCodes || group < Math.Min(ShortestGroup, matrix.Columns) ? null : SchemeFor(matrix, group);
        InputOrder = Stored is null ? null : InputOrder;
    }

    public override int Rows => _matrix.Rows;

    public override int Columns => _matrix.Columns;

    public override bool HasBias => _bias is not null;

    public override bool IsQuantized => _matrix.HasCodes;

    public override long StoredBytes => _matrix.ByteLength;

    public override LinearScheme? Stored { get; }

    public override int[]? InputOrder { get; }

    public override InputRange? StaticInput =>
        Stored is { Integer: true } && _matrix.StaticInput is { } range
            ? new InputRange(range.Scale, range.Zero)
            : null;

    public override void ReadRow(int row, Span<float> destination)
    {
        if (!_matrix.HasCodes)
        {
            _matrix.ReadRow(row, destination);
            return;
        }

        sbyte[] codes = ArrayPool<sbyte>.Shared.Rent(Columns);
        float[] scales = ArrayPool<float>.Shared.Rent(_matrix.Groups);
        int[] zeros = ArrayPool<int>.Shared.Rent(_matrix.Groups);
        _matrix.ReadCodes(row, codes.AsSpan(0, Columns));
        _matrix.ReadScales(row, scales);
        _matrix.ReadZeros(row, zeros);
        for (int k = 0; k < Columns; k++)
        {
            int group = _matrix.GroupOf(k);
            float value = _matrix.Kind == CodeKind.Float8
                ? WeightQuantizer.FromFloat8((byte)codes[k])
                : codes[k] - zeros[group];
            destination[k] = value * scales[group];
        }

        ArrayPool<sbyte>.Shared.Return(codes);
        ArrayPool<float>.Shared.Return(scales);
        ArrayPool<int>.Shared.Return(zeros);
    }

    public override void ReadCodes(int row, LinearScheme scheme, CodedRow coded)
    {
        Span<sbyte> codes = coded.Codes;
        float[] storedScales = ArrayPool<float>.Shared.Rent(_matrix.Groups);
        int[] storedZeros = ArrayPool<int>.Shared.Rent(_matrix.Groups);
        _matrix.ReadCodes(row, codes);
        _matrix.ReadScales(row, storedScales);
        _matrix.ReadZeros(row, storedZeros);
        if (InputOrder is { } order)
        {
            sbyte[] unordered = ArrayPool<sbyte>.Shared.Rent(Columns);
            codes.CopyTo(unordered);
            for (int k = 0; k < order.Length; k++)
            {
                codes[k] = unordered[order[k]];
            }

            ArrayPool<sbyte>.Shared.Return(unordered);
        }

        int segment = Stored!.Grouped ? Stored.GroupSize : Columns;
        for (int s = 0; s < Columns / segment; s++)
        {
            int first = s * segment;
            int group = _matrix.GroupOf(InputOrder is null ? first : InputOrder[first]);
            (coded.Scales[s], coded.Zeros[s]) = (storedScales[group], storedZeros[group]);
        }

        ArrayPool<float>.Shared.Return(storedScales);
        ArrayPool<int>.Shared.Return(storedZeros);
    }

    public override void ReadBias(Span<float> destination) =>
        ElementConversion.ToFloat32(_bias!.Type, _bias.Bytes(0, checked((int)_bias.ByteLength)), destination);

    /// <summary>The kernels' scheme for codes of a matrix, in groups that divide its inputs.</summary>
    private static LinearScheme SchemeFor(QuantizedMatrix matrix, int group)
    {
        bool channel = group == matrix.Columns;
        if (matrix.Kind == CodeKind.Float8)
        {
            return new LinearScheme(WeightCode.Float8, InputCode.Float32, channel ? 0 : group);
        }

        WeightCode code = matrix.Bits == 4 ? WeightCode.Int4 : WeightCode.Int8;
        if (matrix.Activations is StoredActivations.Plain or StoredActivations.Float8)
        {
            // A channel is one group: only groups have zero-points beside float32 activations.
            return new LinearScheme(code, InputCode.Float32, group, matrix.Asymmetric);
        }

        // A range settled beforehand is cut off at −128, which only kernels for zero-points multiply everywhere.
        return channel && code == WeightCode.Int8
            ? new LinearScheme(
                code, InputCode.Int8, 0, matrix.Asymmetric,
                matrix.Activations == StoredActivations.Int8Asymmetric || matrix.StaticInput is not null)
            : new LinearScheme(code, InputCode.Int8, group, matrix.Asymmetric);
    }

    /// <summary>Inputs by group, those of one group in their order.</summary>
    private static int[] OrderByGroup(IReadOnlyList<int> index) =>
        [.. Enumerable.Range(0, index.Count).OrderBy(k => index[k])];

    private static int Divisor(int a, int b) => b == 0 ? a : Divisor(b, a % b);
}

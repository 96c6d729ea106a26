using System.Globalization;
using System.Runtime.InteropServices;

namespace Octavo.Formats.Stored;

/// <summary>
/// A matrix of compressed-tensors: <c>weight</c> in I8 or F8_E4M3 <c>[out, in]</c>, or <c>weight_packed</c> in words of
/// eight 4-bit or four 8-bit codes, low bits first, each code 2^(b−1) above its value; <c>weight_scale</c>, and
/// <c>weight_zero_point</c>, packed along the outputs where the weight is packed.
/// </summary>
internal sealed class CompressedTensorsMatrix : QuantizedMatrix
{
    private static readonly TensorType[] FloatTypes = [TensorType.Float32, TensorType.Float16, TensorType.BFloat16];

    private readonly Tensor _codes;
    private readonly Tensor _scales;
    private readonly Tensor? _zeros;
    private readonly bool _packed;
    private readonly int _scaleColumns;   // scales in a row of the tensor
    private readonly int _rowsPerScale;   // rows that share them

    private CompressedTensorsMatrix(
        Tensor codes, Tensor scales, Tensor? zeros, bool packed, int scaleColumns, int rowsPerScale)
    {
        (_codes, _scales, _zeros, _packed, _scaleColumns, _rowsPerScale) =
            (codes, scales, zeros, packed, scaleColumns, rowsPerScale);
    }

    public static CompressedTensorsMatrix Open(ITensorSet checkpoint, string module, CompressedTensorsScheme scheme)
    {
        bool packed = checkpoint.Contains($"{module}.weight_packed");
        (Tensor codes, int rows, int columns) = packed
            ? Packed(checkpoint, module, scheme)
            : Plain(checkpoint, module, scheme);
        (int group, int rowsPerScale) = scheme.Strategy switch
        {
            "group" => (Math.Min(scheme.GroupSize!.Value, columns), 1),
            "block" => (Math.Min(scheme.Block!.Value.Columns, columns), scheme.Block.Value.Rows),
            "channel" => (columns, 1),
            _ => (columns, rows),
        };
        int groups = (columns + group - 1) / group;
        int scaleRows = (rows + rowsPerScale - 1) / rowsPerScale;
        Tensor scales = checkpoint.Get($"{module}.weight_scale");
        CheckScales(scales, scaleRows, groups);
        Tensor? zeros = Zeros(checkpoint, module, scheme, packed, rows, scaleRows, groups);
        int[]? index = checkpoint.Contains($"{module}.weight_g_idx")
            ? PackedTensors.GroupIndex(
                PackedTensors.Require(
                    checkpoint, $"{module}.weight_g_idx", [TensorType.Int32, TensorType.Int64], columns), group, groups)
            : null;
        return new CompressedTensorsMatrix(codes, scales, zeros, packed, groups, rowsPerScale)
        {
            Module = module,
            Rows = rows,
            Columns = columns,
            Kind = scheme.Kind,
            Bits = scheme.Bits,
            GroupSize = group,
            Asymmetric = zeros is not null,
            Activations = scheme.Activations,
            StaticInput = scheme.StaticInput
                ? Input(checkpoint, module, scheme.Activations == StoredActivations.Int8Asymmetric)
                : null,
            GroupIndex = index,
            ByteLength = codes.ByteLength + scales.ByteLength + (zeros?.ByteLength ?? 0),
        };
    }

    // Scales of static inputs may be left beside dynamic ones, and zero-points beside symmetric weights.
    public override IReadOnlyList<string> Parts =>
    [
        .. _packed ? (string[])["weight_packed", "weight_shape"] : ["weight"],
        "weight_scale", "weight_zero_point", "weight_g_idx", "input_scale", "input_zero_point",
    ];

    public override void ReadCodes(int row, Span<sbyte> codes)
    {
        if (!_packed)
        {
            MemoryMarshal.Cast<byte, sbyte>(_codes.Bytes((long)row * Columns, Columns)).CopyTo(codes);
            return;
        }

        int perWord = 32 / Bits;
        long words = (Columns + perWord - 1) / perWord;
        uint mask = (1u << Bits) - 1;
        int above = 1 << (Bits - 1);
        for (int k = 0; k < Columns; k++)
        {
            uint word = PackedTensors.Word(_codes, (row * words) + (k / perWord));
            codes[k] = (sbyte)((int)((word >> (k % perWord * Bits)) & mask) - above);
        }
    }

    public override void ReadScales(int row, Span<float> scales) =>
        PackedTensors.Floats(_scales, (long)(row / _rowsPerScale) * _scaleColumns, scales[.._scaleColumns]);

    public override void ReadZeros(int row, Span<int> zeros)
    {
        int perWord = 32 / Bits;
        int at = row / _rowsPerScale;
        for (int g = 0; g < _scaleColumns; g++)
        {
            zeros[g] = _zeros is null ? 0
                : _packed ? (int)((PackedTensors.Word(_zeros, ((long)at / perWord * _scaleColumns) + g)
                    >> (at % perWord * Bits)) & ((1u << Bits) - 1)) - (1 << (Bits - 1))
                : (sbyte)_zeros.Bytes(((long)at * _scaleColumns) + g, 1)[0];
        }
    }

    private static (Tensor Codes, int Rows, int Columns) Plain(
        ITensorSet checkpoint, string module, CompressedTensorsScheme scheme)
    {
        Tensor codes = checkpoint.Get($"{module}.weight");
        TensorType expected = scheme.Kind == CodeKind.Integer ? TensorType.Int8 : TensorType.Float8E4M3;
        if (codes.Type != expected || codes.Shape.Count != 2)
        {
            throw new CheckpointException(
                codes.File, codes.Name, $"expected a matrix of {expected.Name()} as quantization_config implies, "
                    + $"found {codes.Type.Name()} [{string.Join(", ", codes.Shape)}]");
        }

        return (codes, checked((int)codes.Shape[0]), checked((int)codes.Shape[1]));
    }

    private static (Tensor Codes, int Rows, int Columns) Packed(
        ITensorSet checkpoint, string module, CompressedTensorsScheme scheme)
    {
        string name = $"{module}.weight_packed";
        CheckpointException.ThrowIf(
            scheme.Kind != CodeKind.Integer,
            checkpoint.Get(name).File, name, "is packed, but quantization_config says that its codes are floats");

        int[] shape = PackedTensors.Integers(
            PackedTensors.Require(checkpoint, $"{module}.weight_shape", [TensorType.Int64, TensorType.Int32], 2));
        int perWord = 32 / scheme.Bits;
        Tensor codes =
            PackedTensors.Require(checkpoint, name, [TensorType.Int32], shape[0], (shape[1] + perWord - 1) / perWord);
        return (codes, shape[0], shape[1]);
    }

    private static (float Scale, int Zero) Input(ITensorSet checkpoint, string module, bool asymmetric)
    {
        Tensor stored = checkpoint.Get($"{module}.input_scale");
        CheckScales(stored, 1, 1);
        Span<float> scale = stackalloc float[1];
        PackedTensors.Floats(stored, 0, scale);
        if (!float.IsFinite(scale[0]) || scale[0] <= 0)
        {
            throw new CheckpointException(
                stored.File, stored.Name,
                string.Create(CultureInfo.InvariantCulture, $"is {scale[0]}; a scale must be above 0"));
        }

        if (!asymmetric)
        {
            return (scale[0], 0);
        }

        Tensor zero = checkpoint.Get($"{module}.input_zero_point");
        return zero.Type == TensorType.Int8 && zero.ElementCount == 1
            ? (scale[0], (sbyte)zero.Bytes(0, 1)[0])
            : throw new CheckpointException(
                zero.File, zero.Name,
                $"expected one number of I8, found {zero.Type.Name()} [{string.Join(", ", zero.Shape)}]");
    }

    private static void CheckScales(Tensor scales, int rows, int groups)
    {
        bool fits = scales.ElementCount == (long)rows * groups
            && (scales.Shape.Count == 2 ? scales.Shape[0] == rows : groups == 1 || rows == 1);
        if (!fits)
        {
            throw PackedTensors.WrongShape(scales, $"{rows}, {groups}");
        }

        if (!FloatTypes.Contains(scales.Type))
        {
            throw new CheckpointException(
                scales.File, scales.Name, $"expected type F32, F16 or BF16, found {scales.Type.Name()}");
        }
    }

    private static Tensor? Zeros(
        ITensorSet checkpoint, string module, CompressedTensorsScheme scheme, bool packed, int rows, int scaleRows,
        int groups)
    {
        string name = $"{module}.weight_zero_point";
        if (!scheme.Asymmetric)
        {
            // Early versions wrote zero-points of symmetric weights, too: all of them zero, which packed is 2^(b−1), or
            // left empty.
            byte none = scheme.Bits == 4 ? (byte)0x88 : (byte)0x80;
            if (checkpoint.TryGet(name, out Tensor? idle)
                && idle.Bytes(0, checked((int)idle.ByteLength)).ContainsAnyExcept((byte)0, packed ? none : (byte)0))
            {
                throw new CheckpointException(
                    idle.File, name, "holds zero-points, but quantization_config says that the weights are symmetric");
            }

            return null;
        }

        if (packed)
        {
            int perWord = 32 / scheme.Bits;
            return PackedTensors.Require(checkpoint, name, [TensorType.Int32], (rows + perWord - 1) / perWord, groups);
        }

        Tensor zeros = checkpoint.Get(name);
        return zeros.Type == TensorType.Int8 && zeros.ElementCount == (long)scaleRows * groups
            ? zeros
            : throw PackedTensors.WrongShape(zeros, $"{scaleRows}, {groups}");
    }
}

namespace Octavo.Formats.Stored;

/// <summary>
/// E2M1 numbers, two to a byte, the first in the low half, as compressed-tensors packs them: with a power of two for
/// each 32 (<c>mxfp4-pack-quantized</c>), or with an E4M3 scale for each 16, divided by one of the matrix
/// (<c>nvfp4-pack-quantized</c>). Codes are twice the numbers, and scales half of theirs.
/// </summary>
internal sealed class Float4Matrix : QuantizedMatrix
{
    private readonly Tensor _numbers;
    private readonly Tensor _scales;
    private readonly float _divisor;

    private Float4Matrix(Tensor numbers, Tensor scales, float divisor) =>
        (_numbers, _scales, _divisor) = (numbers, scales, divisor);

    private static ReadOnlySpan<sbyte> Doubled => [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

    public override IReadOnlyList<string> Parts =>
        ["weight_packed", "weight_scale", "weight_global_scale", "input_global_scale", "weight_shape"];

    public static Float4Matrix Open(ITensorSet checkpoint, string module, CompressedTensorsScheme scheme)
    {
        Tensor numbers = checkpoint.Get($"{module}.weight_packed");
        if (numbers.Type != TensorType.UInt8 || numbers.Shape is not [var rows, var bytes])
        {
            throw PackedTensors.WrongShape(numbers, "out, in / 2");
        }

        (int columns, int group) = (checked((int)(2 * bytes)), scheme.GroupSize!.Value);
        bool powers = scheme.Float4 == Float4Scales.Power;
        Tensor scales = PackedTensors.Require(
            checkpoint, $"{module}.weight_scale",
            powers ? [TensorType.UInt8, TensorType.Float8E8M0] : [TensorType.Float8E4M3], rows,
            (columns + group - 1) / group);
        return new Float4Matrix(numbers, scales, powers ? 1 : Divisor(checkpoint, module))
        {
            Module = module,
            Rows = checked((int)rows),
            Columns = columns,
            Kind = CodeKind.Integer,
            Bits = 8,
            GroupSize = group,
            Asymmetric = false,
            Activations = StoredActivations.Plain,
            ByteLength = numbers.ByteLength + scales.ByteLength,
        };
    }

    public override void ReadCodes(int row, Span<sbyte> codes)
    {
        ReadOnlySpan<byte> bytes = _numbers.Bytes((long)row * (Columns / 2), Columns / 2);
        for (int k = 0; k < Columns; k++)
        {
            codes[k] = Doubled[bytes[k / 2] >> (4 * (k % 2)) & 0x0F];
        }
    }

    public override void ReadScales(int row, Span<float> scales)
    {
        ReadOnlySpan<byte> stored = _scales.Bytes((long)row * Groups, Groups);
        for (int g = 0; g < Groups; g++)
        {
            scales[g] = _scales.Type == TensorType.Float8E4M3
                ? E4M3(stored[g]) / _divisor / 2
                : (float)Math.ScaleB(0.5, stored[g] - 127);
        }
    }

    public override void ReadZeros(int row, Span<int> zeros) => zeros[..Groups].Clear();

    private static float E4M3(byte number)
    {
        int exponent = number >> 3 & 0x0F, mantissa = number & 7;
        float magnitude = (number & 0x7F) == 0x7F ? float.NaN
            : exponent == 0 ? MathF.ScaleB(mantissa, -9)
            : MathF.ScaleB(8 + mantissa, exponent - 10);
        return (number & 0x80) == 0 ? magnitude : -magnitude;
    }

    private static float Divisor(ITensorSet checkpoint, string module)
    {
        Tensor stored = checkpoint.Get($"{module}.weight_global_scale");
        Span<float> scale = stackalloc float[1];
        CheckpointException.ThrowIf(
            stored.Type != TensorType.Float32 || stored.ElementCount != 1, stored.File, stored.Name,
            "expected one number of F32");
        PackedTensors.Floats(stored, 0, scale);
        return scale[0] > 0 && float.IsFinite(scale[0])
            ? scale[0]
            : throw new CheckpointException(stored.File, stored.Name, "must be above 0");
    }
}

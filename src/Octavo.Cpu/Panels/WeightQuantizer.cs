using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Octavo.Cpu.Panels;

/// <summary>
/// Rounds weights to integer codes: <c>code = clamp(round_half_even(w / scale) + zero, −2^(b−1), 2^(b−1) − 1)</c>, and
/// <c>w ≈ (code − zero) · scale</c>. Scales are those of compressed-tensors: symmetric, the largest magnitude over
/// (2^b − 1) / 2; asymmetric, the range (widened to hold 0) over 2^b − 1.
/// </summary>
/// <remarks>Source: compressed-tensors, <c>quantization/utils/helpers.py</c>, <c>calculate_qparams</c>.</remarks>
internal static class WeightQuantizer
{
    /// <summary>The bits of an E4M3 byte, but the sign, that is no number.</summary>
    public const byte Float8NaN = 0x7F;

    /// <summary>E4M3's largest number.</summary>
    public const float Float8Largest = 448f;

    /// <summary>Chooses scale and zero-point for weights that share them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (float Scale, int Zero) Range(ReadOnlySpan<float> weights, int bits, bool asymmetric)
    {
        Vector512<float> lowest16 = default, highest16 = default;
        int i = 0;
        for (; i <= weights.Length - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            var w = Vector512.Create(weights[i..]);
            (lowest16, highest16) = (Vector512.Min(lowest16, w), Vector512.Max(highest16, w));
        }

        (float min, float max) = (0f, 0f);
        for (int lane = 0; lane < Vector512<float>.Count; lane++)
        {
            (min, max) = (Math.Min(min, lowest16[lane]), Math.Max(max, highest16[lane]));
        }

        foreach (float w in weights[i..])
        {
            (min, max) = (Math.Min(min, w), Math.Max(max, w));
        }

        int levels = (1 << bits) - 1;
        int lowest = -(1 << (bits - 1));
        if (!asymmetric)
        {
            return (Positive(Math.Max(-min, max) / (levels / 2f)), 0);
        }

        float scale = Positive((max - min) / levels);
        return (scale, (int)Math.Clamp(MathF.Round(lowest - (min / scale)), lowest, -lowest - 1));
    }

    /// <summary>Rounds weights that share a scale and a zero-point.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Round(ReadOnlySpan<float> weights, float scale, int zero, int bits, Span<sbyte> codes)
    {
        int lowest = -(1 << (bits - 1));
        int i = 0;
        for (; i <= weights.Length - Vector128<sbyte>.Count; i += Vector128<sbyte>.Count)
        {
            Vector512<float> rounded =
                Vector512.Round(Vector512.Create(weights[i..]) / Vector512.Create(scale), MidpointRounding.ToEven);
            Vector512<int> code = Vector512.ConvertToInt32(rounded + Vector512.Create((float)zero));
            code = Vector512.Min(Vector512.Max(code, Vector512.Create(lowest)), Vector512.Create(-lowest - 1));
            Vector128.Narrow(
                Vector128.Narrow(code.GetLower().GetLower(), code.GetLower().GetUpper()),
                Vector128.Narrow(code.GetUpper().GetLower(), code.GetUpper().GetUpper())).CopyTo(codes[i..]);
        }

        for (; i < weights.Length; i++)
        {
            codes[i] = (sbyte)Math.Clamp(MathF.Round(weights[i] / scale) + zero, lowest, -lowest - 1);
        }
    }

    /// <summary>
    /// Rounds weights that share a scale to E4M3 numbers; the scale puts the largest on the largest number.
    /// </summary>
    /// <returns>The scale.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float RoundFloat8(ReadOnlySpan<float> weights, Span<byte> numbers)
    {
        float largest = 0;
        foreach (float w in weights)
        {
            largest = Math.Max(largest, Math.Abs(w));
        }

        float scale = largest / Float8Largest;
        for (int k = 0; k < weights.Length; k++)
        {
            numbers[k] = scale == 0 ? (byte)0 : ToFloat8(weights[k] / scale);
        }

        return scale;
    }

    /// <summary>The nearest E4M3 number, ties to even; beyond the largest, the largest. A NaN stays one.</summary>
    public static byte ToFloat8(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint sign = (bits >> 24) & 0x80;
        float magnitude = Math.Abs(value);
        if (float.IsNaN(value))
        {
            return (byte)(sign | Float8NaN);
        }

        if (magnitude >= Float8Largest)
        {
            return (byte)(sign | 0x7E);
        }

        // Below 2^-6 numbers are multiples of 2^-9. Above, float32's rounding to three bits of mantissa carries rightly
        // into the exponent.
        if (magnitude < 1f / 64)
        {
            return (byte)(sign | (uint)MathF.Round(magnitude * 512));
        }

        uint rest = bits & 0x7FFF_FFFF;
        uint rounded = (rest + 0x0007_FFFF + ((rest >> 20) & 1)) >> 20;
        return (byte)(sign | (rounded - ((127 - 7) << 3)));
    }

    /// <summary>What an E4M3 byte stands for.</summary>
    public static float FromFloat8(byte value)
    {
        float magnitude = BitConverter.UInt32BitsToSingle((uint)(value & 0x7F) << 20) * 1.329227995784916e36f; // 2^120
        return (value & Float8NaN) == Float8NaN ? float.NaN : (value & 0x80) != 0 ? -magnitude : magnitude;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Positive(float scale) => Math.Max(scale, 1.1920929e-7f); // float32's epsilon
}

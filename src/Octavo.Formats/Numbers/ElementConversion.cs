using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Octavo.Formats;

/// <summary>Converts stored elements to single precision; every F16 and BF16 value converts exactly.</summary>
internal static class ElementConversion
{
    /// <summary>
    /// Converts <c>F32</c>, <c>F16</c>, <c>BF16</c> or <c>F64</c> elements (the last rounded to nearest even), or those
    /// of GGUF's block types, whose values are <c>scale · code − minimum</c>, each operation rounded.
    /// </summary>
    /// <param name="type">The type of the source's elements.</param>
    /// <param name="source">Little-endian elements, at any alignment.</param>
    /// <param name="destination">As many floats as the source has elements.</param>
    /// <exception cref="ArgumentException">Another type, or lengths that differ.</exception>
    public static void ToFloat32(TensorType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        if (source.Length != type.BytesOf(destination.Length))
        {
            throw new ArgumentException(
                $"{destination.Length} elements of {type.Name()} do not take {source.Length} bytes", nameof(source));
        }

        switch (type)
        {
            case TensorType.Float16:
                FromHalf(MemoryMarshal.Cast<byte, ushort>(source), destination);
                break;
            case TensorType.BFloat16:
                FromBFloat16(MemoryMarshal.Cast<byte, ushort>(source), destination);
                break;
            case TensorType.Float64:
                ReadOnlySpan<double> doubles = MemoryMarshal.Cast<byte, double>(source);
                for (int i = 0; i < doubles.Length; i++)
                {
                    destination[i] = (float)doubles[i];
                }

                break;
            case TensorType.Float32:
                source.CopyTo(MemoryMarshal.AsBytes(destination));
                break;
            default:
                BlockFormat blocks = BlockFormat.Of(type) ?? throw new ArgumentException(
                    $"{type.Name()} does not convert; F32, F16, BF16, F64 and GGUF's block types do", nameof(type));
                blocks.ToFloat32(source, destination);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FromBFloat16(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        int width = Vector<ushort>.Count;
        int i = 0;
        for (; i <= source.Length - width; i += width)
        {
            Vector.Widen(new Vector<ushort>(source[i..]), out Vector<uint> low, out Vector<uint> high);
            Vector.AsVectorSingle(low << 16).CopyTo(destination[i..]);
            Vector.AsVectorSingle(high << 16).CopyTo(destination[(i + (width / 2))..]);
        }

        for (; i < source.Length; i++)
        {
            destination[i] = BitConverter.UInt32BitsToSingle((uint)source[i] << 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FromHalf(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        int width = Vector<ushort>.Count;
        int i = 0;
        for (; i <= source.Length - width; i += width)
        {
            Vector.Widen(new Vector<ushort>(source[i..]), out Vector<uint> low, out Vector<uint> high);
            FromHalf(low).CopyTo(destination[i..]);
            FromHalf(high).CopyTo(destination[(i + (width / 2))..]);
        }

        for (; i < source.Length; i++)
        {
            destination[i] = (float)BitConverter.UInt16BitsToHalf(source[i]);
        }
    }

    // Exponent and mantissa, moved to a single's place, read as a number that is 2^112 too small (subnormals included);
    // infinities and NaNs, whose exponent is all ones, get a single's exponent of all ones.
    private static Vector<float> FromHalf(Vector<uint> half)
    {
        Vector<uint> magnitude = (half & new Vector<uint>(0x7FFF)) << 13;
        Vector<uint> sign = (half & new Vector<uint>(0x8000)) << 16;
        Vector<uint> special = Vector.GreaterThanOrEqual(magnitude, new Vector<uint>(0x7C00 << 13));
        Vector<float> scaled =
            Vector.AsVectorSingle(magnitude) * new Vector<float>(BitConverter.UInt32BitsToSingle(0x77800000));
        return Vector.AsVectorSingle(Vector.AsVectorUInt32(scaled) | (special & new Vector<uint>(0x7F800000)) | sign);
    }
}

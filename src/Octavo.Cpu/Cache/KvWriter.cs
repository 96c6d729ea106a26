using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Octavo.Cpu.Simd;
using Octavo.Engine;

namespace Octavo.Cpu.Cache;

/// <summary>
/// Stores one head of one token in a group: converts a row of numbers with vectors, then scatters words (keys) or bytes
/// (values). The scattered lines stay in the first cache while a prompt's tokens follow each other.
/// </summary>
/// <remarks>
/// A value that is not a finite number must not reach rows that do not attend to it: their weight for it is 0, and 0
/// times infinity is not 0. So such a token's value is stored as zeros and its key as not-a-number, which every row
/// that does attend to it sees in its score.
/// </remarks>
internal static unsafe class KvWriter
{
    private const int Step = 8;
    private const int LargestBFloat16 = 0x7F7F0000;
    private const int LargestFloat32 = 0x7F7FFFFF;

    /// <summary>Writes lane <paramref name="lane"/> of a key group and of a value group.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Write(
        in KvLayout layout, int lane, float* key, float* value, byte* keys, byte* values, KvScale scale)
    {
        int padded = layout.ValueDim;
        float* k = stackalloc float[padded];
        float* v = stackalloc float[padded];
        int largestKey = Copy(key, k, layout.HeadDim, padded);
        int largestValue = Copy(value, v, layout.HeadDim, padded);
        int limit = layout.Format == KvCacheFormat.BFloat16 ? LargestBFloat16 : LargestFloat32;
        bool finite = largestKey <= limit && largestValue <= limit;
        if (!finite)
        {
            new Span<float>(v, padded).Clear();
            new Span<float>(k, padded).Clear();
            (largestKey, largestValue) = (0, 0);
        }

        switch (layout.Format)
        {
            case KvCacheFormat.Float32:
                Scatter((int*)k, (int*)keys + lane, layout.KeySteps);
                Buffer.MemoryCopy(
                    v, values + (lane * layout.ValueRowBytes), layout.ValueRowBytes, layout.ValueRowBytes);
                break;
            case KvCacheFormat.BFloat16:
                RoundToBFloat16(k, padded);
                RoundToBFloat16(v, padded);
                Scatter((int*)k, (int*)keys + lane, layout.KeySteps);
                ScatterHalves((ushort*)v, (ushort*)(values + (lane / 2 * layout.ValueRowBytes)) + (lane % 2), padded);
                break;
            case KvCacheFormat.Fp8:
                RoundToFloat8(k, padded, scale.Key);
                RoundToFloat8(v, padded, scale.Value);
                Scatter((int*)k, (int*)keys + lane, layout.KeySteps);
                ScatterBytes((byte*)v, values + (lane / 4 * layout.ValueRowBytes) + (lane % 4), padded);
                break;
            case KvCacheFormat.Int8:
                ((float*)keys)[lane] = Quantize(k, largestKey, padded, 128);
                ((float*)values)[lane] = Quantize(v, largestValue, padded, 0);
                Scatter((int*)k, (int*)(keys + layout.HeaderBytes) + lane, layout.KeySteps);
                ScatterBytes(
                    (byte*)v, values + layout.HeaderBytes + (lane / 4 * layout.ValueRowBytes) + (lane % 4), padded);
                break;
            default:
                throw new UnreachableException($"{layout.Format}");
        }

        if (!finite)
        {
            // The scale of an int8 key, or the first word of the others: as bfloat16 a zero and a NaN, of E4M3 the
            // first of four. Its low bits are zeros, so that Exponential keeps it one.
            ((int*)keys)[lane] = layout.Format == KvCacheFormat.Fp8 ? 0x7F : 0x7FC0_0000;
        }
    }

    /// <summary>
    /// Copies a row and fills it up with zeros; returns the largest magnitude's bits (a NaN's are above infinity's).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Copy(float* source, float* destination, int count, int padded)
    {
        new Span<float>(destination + count, padded - count).Clear();
        new ReadOnlySpan<float>(source, count).CopyTo(new Span<float>(destination, count));
        Vector256<int> largest = default;
        for (int i = 0; i < padded; i += Step)
        {
            largest = Vector256.Max(largest, Vector256.Load((int*)destination + i) & Vector256.Create(0x7FFF_FFFF));
        }

        int result = 0;
        for (int i = 0; i < Step; i++)
        {
            result = Math.Max(result, largest[i]);
        }

        return result;
    }

    /// <summary>
    /// Rounds finite numbers to the nearest bfloat16, ties to even, and packs them at the buffer's beginning.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RoundToBFloat16(float* numbers, int count)
    {
        for (int i = 0; i < count; i += 2 * Step)
        {
            Vector256.Narrow(Round((uint*)numbers + i), Round((uint*)numbers + i + Step)).Store((ushort*)numbers + i);
        }

        static Vector256<uint> Round(uint* bits)
        {
            Vector256<uint> v = Vector256.Load(bits);
            return (v + Vector256.Create(0x7FFFu) + ((v >> 16) & Vector256<uint>.One)) >> 16;
        }
    }

    /// <summary>
    /// Turns numbers into bytes <c>round(x · 127 / largest) + offset</c>, packed at the buffer's beginning; returns the
    /// scale that turns them back.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Quantize(float* numbers, int largestBits, int count, int offset)
    {
        float largest = BitConverter.Int32BitsToSingle(largestBits);
        float inverse = largest >= Rounding.Least ? 127f / largest : 0f;
        for (int i = 0; i < count; i += 2 * Step)
        {
            Pack(Round(numbers + i), Round(numbers + i + Step)).Store((byte*)numbers + i);
        }

        return largest >= Rounding.Least ? largest / 127f : 0f;

        Vector256<int> Round(float* x)
        {
            Vector256<float> scaled = Vector256.Load(x) * Vector256.Create(inverse);
            Vector256<int> rounded =
                (scaled + Vector256.Create(Rounding.Magic)).AsInt32() - Vector256.Create(Rounding.MagicBits);
            return (rounded + Vector256.Create(offset)) & Vector256.Create(0xFF);
        }
    }

    /// <summary>Rounds finite numbers over a scale to E4M3, packed at the buffer's beginning.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RoundToFloat8(float* numbers, int count, float scale)
    {
        var divisor = Vector256.Create(scale);
        for (int i = 0; i < count; i += 2 * Step)
        {
            Pack(
                Float8.Round(Vector256.Load(numbers + i) / divisor),
                Float8.Round(Vector256.Load(numbers + i + Step) / divisor)).Store((byte*)numbers + i);
        }
    }

    private static Vector128<byte> Pack(Vector256<int> low, Vector256<int> high)
    {
        Vector256<short> shorts = Vector256.Narrow(low, high);
        return Vector128.Narrow(shorts.GetLower().AsUInt16(), shorts.GetUpper().AsUInt16());
    }

    private static void Scatter(int* words, int* destination, int count)
    {
        for (int i = 0; i < count; i++)
        {
            destination[i * KvLayout.GroupKeys] = words[i];
        }
    }

    private static void ScatterHalves(ushort* halves, ushort* destination, int count)
    {
        for (int i = 0; i < count; i++)
        {
            destination[i * 2] = halves[i];
        }
    }

    private static void ScatterBytes(byte* bytes, byte* destination, int count)
    {
        for (int i = 0; i < count; i++)
        {
            destination[i * 4] = bytes[i];
        }
    }
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Octavo.Cpu.Cache;

/// <summary>
/// E4M3 numbers of a key-value cache: rounded in vectors when they are written, and widened to bfloat16, which holds
/// every one of them exactly, when a partition is read.
/// </summary>
internal static unsafe class Float8
{
    private const float Largest = 448f;
    private const float LeastNormal = 1f / 64;
    private const int NotANumber = 0x7F;

    // 1.5 · 2^14: what is added to it is rounded to a multiple of 2^-9, the distance of subnormals.
    private const float SubnormalMagic = 24576f;
    private const int SubnormalMagicBits = 0x46C0_0000;

    /// <summary>The bfloat16 of every magnitude, by its seven bits: two pairs of registers.</summary>
    private static readonly ushort[] Widened = MakeWidened();

    /// <summary>
    /// The nearest E4M3 bytes, ties to even; what is beyond the largest becomes the largest. No NaNs.
    /// </summary>
    public static Vector256<int> Round(Vector256<float> value)
    {
        Vector256<int> sign = (value.AsInt32() >>> 24) & Vector256.Create(0x80);
        Vector256<float> magnitude = Vector256.Min(Vector256.Abs(value), Vector256.Create(Largest));
        Vector256<int> bits = magnitude.AsInt32();

        // Three bits of mantissa stay; a carry goes rightly into the exponent.
        Vector256<int> normal = ((bits + Vector256.Create(0x7_FFFF) + ((bits >> 20) & Vector256<int>.One)) >> 20)
            - Vector256.Create((127 - 7) << 3);
        Vector256<int> subnormal =
            (magnitude + Vector256.Create(SubnormalMagic)).AsInt32() - Vector256.Create(SubnormalMagicBits);
        return sign | Vector256.ConditionalSelect(
            Vector256.LessThan(magnitude, Vector256.Create(LeastNormal)).AsInt32(), subnormal, normal);
    }

    /// <summary>
    /// Widens rows of words: four E4M3 numbers in a word become two bfloat16 in a word of one row and two in the same
    /// word of the row behind it.
    /// </summary>
    /// <param name="source">Rows of words.</param>
    /// <param name="destination">Twice as many rows.</param>
    /// <param name="rows">Rows of the source.</param>
    /// <param name="rowBytes">Bytes of a row, here and there: a multiple of 64.</param>
    /// <param name="ahead">As many bytes that are fetched for later.</param>
    /// <param name="wide">Take AVX-512.</param>
    public static void Widen(byte* source, byte* destination, int rows, int rowBytes, byte* ahead, bool wide)
    {
        if (wide)
        {
            Widen512(source, destination, rows, rowBytes, ahead);
        }
        else
        {
            Widen256(source, destination, rows, rowBytes, ahead);
        }
    }

    private static void Widen512(byte* source, byte* destination, int rows, int rowBytes, byte* ahead)
    {
        fixed (ushort* table = Widened)
        {
            Vector512<ushort> t0 = Vector512.Load(table),
                t1 = Vector512.Load(table + 32),
                t2 = Vector512.Load(table + 64),
                t3 = Vector512.Load(table + 96);
            for (; rows > 0; rows--, source += rowBytes, ahead += rowBytes, destination += 2 * rowBytes)
            {
                for (int i = 0; i < rowBytes; i += 64)
                {
                    Sse.Prefetch0(ahead + i);
                    Vector512<uint> words = Vector512.Load((uint*)(source + i));
                    Vector512<uint> first =
                        (words & Vector512.Create(0xFFu)) | ((words << 8) & Vector512.Create(0xFF_0000u));
                    Vector512<uint> second =
                        ((words >> 16) & Vector512.Create(0xFFu)) | ((words >> 8) & Vector512.Create(0xFF_0000u));
                    LookUp(first.AsUInt16(), t0, t1, t2, t3).Store((ushort*)(destination + i));
                    LookUp(second.AsUInt16(), t0, t1, t2, t3).Store((ushort*)(destination + rowBytes + i));
                }
            }
        }
    }

    /// <summary>
    /// A permutation takes six bits of a byte as the index, the choice between two of them the seventh.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ushort> LookUp(
        Vector512<ushort> bytes, Vector512<ushort> t0, Vector512<ushort> t1, Vector512<ushort> t2, Vector512<ushort> t3)
    {
        Vector512<ushort> small = Avx512BW.PermuteVar32x16x2(t0, bytes, t1),
            large = Avx512BW.PermuteVar32x16x2(t2, bytes, t3);
        Vector512<ushort> isLarge =
            Vector512.Equals(bytes & Vector512.Create((ushort)0x40), Vector512.Create((ushort)0x40));
        return Vector512.ConditionalSelect(isLarge, large, small) | ((bytes << 8) & Vector512.Create((ushort)0x8000));
    }

    private static void Widen256(byte* source, byte* destination, int rows, int rowBytes, byte* ahead)
    {
        for (; rows > 0; rows--, source += rowBytes, ahead += rowBytes, destination += 2 * rowBytes)
        {
            for (int i = 0; i < rowBytes; i += 32)
            {
                if (Sse.IsSupported)
                {
                    Sse.Prefetch0(ahead + i);
                }

                Vector256<uint> words = Vector256.Load((uint*)(source + i));
                Vector256<uint> first =
                    (words & Vector256.Create(0xFFu)) | ((words << 8) & Vector256.Create(0xFF_0000u));
                Vector256<uint> second =
                    ((words >> 16) & Vector256.Create(0xFFu)) | ((words >> 8) & Vector256.Create(0xFF_0000u));
                Compute(first.AsUInt16()).Store((ushort*)(destination + i));
                Compute(second.AsUInt16()).Store((ushort*)(destination + rowBytes + i));
            }
        }
    }

    /// <summary>
    /// A number's bits, read as an integer, are a concave function of E4M3's, straight between powers of two: the least
    /// of the straight lines. The first is that of normal numbers, the others are those of subnormals; zero is apart.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Compute(Vector256<ushort> bytes)
    {
        Vector256<ushort> magnitude = bytes & Vector256.Create((ushort)0x7F);
        Vector256<ushort> result = (magnitude << 4) + Vector256.Create((ushort)0x3C00);
        result = Vector256.Min(result, (magnitude << 5) + Vector256.Create((ushort)0x3B80));
        result = Vector256.Min(result, (magnitude << 6) + Vector256.Create((ushort)0x3B00));
        result = Vector256.Min(result, (magnitude << 7) + Vector256.Create((ushort)0x3A80));
        result = Vector256.AndNot(result, Vector256.Equals(magnitude, Vector256<ushort>.Zero));
        result = Vector256.ConditionalSelect(
            Vector256.Equals(magnitude, Vector256.Create((ushort)NotANumber)),
            Vector256.Create((ushort)0x7FC0),
            result);
        return result | ((bytes << 8) & Vector256.Create((ushort)0x8000));
    }

    private static ushort[] MakeWidened()
    {
        ushort[] table = new ushort[128];
        for (int magnitude = 0; magnitude < NotANumber; magnitude++)
        {
            (int exponent, int mantissa) = (magnitude >> 3, magnitude & 7);
            float number = exponent == 0 ? mantissa / 512f : (8 + mantissa) * MathF.Pow(2, exponent - 10);
            table[magnitude] = (ushort)(BitConverter.SingleToUInt32Bits(number) >> 16);
        }

        table[NotANumber] = 0x7FC0;
        return table;
    }
}

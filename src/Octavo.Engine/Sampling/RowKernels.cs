using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Octavo.Engine.Sampling;

/// <summary>
/// What is done with a block of logits. Sixteen lanes, the same operations in the same order and no fused ones: a
/// result has the same bits on every instruction set.
/// </summary>
internal static class RowKernels
{
    /// <summary>Elements that a vector has.</summary>
    public const int Lanes = 16;

    private const int Step = 4 * Lanes;
    private const int AtOnce = 4;
    private const int AbsoluteBits = int.MaxValue;
    private const int InfinityBits = 0x7f800000;

    /// <summary>Finds the greatest elements of a block.</summary>
    /// <param name="block">The block.</param>
    /// <param name="groups">Receives the greatest of each lane: of every sixteenth element, <c>[16]</c>.</param>
    /// <param name="hasNaN">Set where one is NaN.</param>
    /// <returns>The greatest, NaN left out.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Max(ReadOnlySpan<float> block, Span<float> groups, ref bool hasNaN)
    {
        ref float x = ref Start(block);
        Vector512<float> a = Load(ref x, 0), b = Load(ref x, 16), c = Load(ref x, 32), d = Load(ref x, 48);
        Vector512<int> bits = Vector512<int>.Zero, more = Vector512<int>.Zero;
        var absolute = Vector512.Create(AbsoluteBits);
        for (nuint i = 0; i < RowBlocks.Size; i += Step)
        {
            Vector512<float> p = Load(ref x, i), q = Load(ref x, i + 16), r = Load(ref x, i + 32);
            Vector512<float> s = Load(ref x, i + 48);
            a = Vector512.MaxNative(p, a);
            b = Vector512.MaxNative(q, b);
            c = Vector512.MaxNative(r, c);
            d = Vector512.MaxNative(s, d);
            bits = Vector512.Max(bits, p.AsInt32() & absolute);
            more = Vector512.Max(more, q.AsInt32() & absolute);
            bits = Vector512.Max(bits, r.AsInt32() & absolute);
            more = Vector512.Max(more, s.AsInt32() & absolute);
        }

        a = Vector512.MaxNative(Vector512.MaxNative(a, b), Vector512.MaxNative(c, d));
        hasNaN |= Vector512.GreaterThanAny(Vector512.Max(bits, more), Vector512.Create(InfinityBits));
        a.CopyTo(groups);
        Vector256<float> half = Vector256.MaxNative(a.GetLower(), a.GetUpper());
        Vector128<float> quarter = Vector128.MaxNative(half.GetLower(), half.GetUpper());
        return Math.Max(Math.Max(quarter[0], quarter[1]), Math.Max(quarter[2], quarter[3]));
    }

    /// <summary>The sum of a block's weights from a logit on.</summary>
    /// <param name="block">The block.</param>
    /// <param name="softmax">The weights.</param>
    /// <param name="least">The least logit that counts, at least <see cref="Softmax.Least"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Sum(ReadOnlySpan<float> block, Softmax softmax, float least)
    {
        ref float x = ref Start(block);
        Vector512<float> a = default, b = default, c = default, d = default;
        Vector512<float> offset = Vector512.Create(softmax.Max), factor = Vector512.Create(softmax.Scale);
        var limit = Vector512.Create(least);
        for (nuint i = 0; i < RowBlocks.Size; i += Step)
        {
            a += Weigh(Load(ref x, i), offset, factor, limit);
            b += Weigh(Load(ref x, i + 16), offset, factor, limit);
            c += Weigh(Load(ref x, i + 32), offset, factor, limit);
            d += Weigh(Load(ref x, i + 48), offset, factor, limit);
        }

        return Add((a + b) + (c + d));
    }

    /// <summary>The sums of a block's weights from two logits on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (double All, double Above) Sums(
        ReadOnlySpan<float> block, Softmax softmax, float least, float above)
    {
        ref float x = ref Start(block);
        Vector512<float> a = default, b = default, c = default, d = default;
        Vector512<float> offset = Vector512.Create(softmax.Max), factor = Vector512.Create(softmax.Scale);
        Vector512<float> limit = Vector512.Create(least), higher = Vector512.Create(above);
        for (nuint i = 0; i < RowBlocks.Size; i += 2 * Lanes)
        {
            Vector512<float> p = Load(ref x, i), q = Load(ref x, i + 16);
            Vector512<float> u = Weigh(p, offset, factor, limit), v = Weigh(q, offset, factor, limit);
            a += u;
            b += v;
            c += Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(p, higher), u, Vector512<float>.Zero);
            d += Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(q, higher), v, Vector512<float>.Zero);
        }

        return (Add(a + b), Add(c + d));
    }

    /// <summary>Writes the weights of logits.</summary>
    /// <param name="values">Logits; as many as a whole number of vectors holds are read.</param>
    /// <param name="count">So many are wanted; what is written behind them means nothing.</param>
    /// <param name="softmax">How they are weighed.</param>
    /// <param name="weights">Receives the weights, a whole number of vectors.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Weigh(ReadOnlySpan<float> values, int count, Softmax softmax, Span<float> weights)
    {
        int padded = Padded(count);
        ref float x = ref Start(values[..padded]);
        ref float w = ref MemoryMarshal.GetReference(weights[..padded]);
        Vector512<float> offset = Vector512.Create(softmax.Max), factor = Vector512.Create(softmax.Scale);
        var limit = Vector512.Create(softmax.Least);
        for (nuint i = 0; i < (nuint)padded; i += Lanes)
        {
            Weigh(Load(ref x, i), offset, factor, limit).StoreUnsafe(ref w, i);
        }
    }

    /// <summary>Adds each weight to its bin.</summary>
    /// <param name="bins">Each one's bin.</param>
    /// <param name="weights">The weights, at least as many.</param>
    /// <param name="sums">The bins.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Tally(ReadOnlySpan<int> bins, ReadOnlySpan<float> weights, Span<double> sums)
    {
        weights = weights[..bins.Length];
        for (int i = 0; i < bins.Length; i++)
        {
            sums[bins[i]] += weights[i];
        }
    }

    /// <summary>A whole number of vectors that holds so many elements.</summary>
    public static int Padded(int count) => (count + Lanes - 1) / Lanes * Lanes;

    /// <summary>The sum of some numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Sum(ReadOnlySpan<float> values)
    {
        ref float x = ref Start(values);
        Vector512<double> a = default, b = default;
        int i = 0;
        for (; i <= values.Length - Lanes; i += Lanes)
        {
            (Vector512<double> low, Vector512<double> high) = Vector512.Widen(Load(ref x, (nuint)i));
            a += low;
            b += high;
        }

        a += b;
        double sum = 0;
        for (int lane = 0; lane < Vector512<double>.Count; lane++)
        {
            sum += a[lane];
        }

        for (; i < values.Length; i++)
        {
            sum += values[i];
        }

        return sum;
    }

    /// <summary>The least and the greatest of the elements that lie between two logits, both included.</summary>
    /// <param name="values">Logits, a whole number of vectors.</param>
    /// <param name="from">The lower one.</param>
    /// <param name="to">The upper one.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (float Least, float Most) Range(ReadOnlySpan<float> values, float from, float to)
    {
        ref float x = ref Start(values);
        Vector512<float> low = Vector512.Create(from), high = Vector512.Create(to);
        var least = Vector512.Create(float.PositiveInfinity);
        var most = Vector512.Create(float.NegativeInfinity);
        for (nuint i = 0; i < (nuint)values.Length; i += Lanes)
        {
            Vector512<float> v = Load(ref x, i);
            Vector512<float> inside = Vector512.GreaterThanOrEqual(v, low) & Vector512.LessThanOrEqual(v, high);
            least = Vector512.ConditionalSelect(inside, Vector512.MinNative(v, least), least);
            most = Vector512.ConditionalSelect(inside, Vector512.MaxNative(v, most), most);
        }

        (float a, float b) = (least[0], most[0]);
        for (int lane = 1; lane < Lanes; lane++)
        {
            a = Math.Min(a, least[lane]);
            b = Math.Max(b, most[lane]);
        }

        return (a, b);
    }

    /// <summary>
    /// Puts logits into bins of equal width from the greatest down; what lies lower goes into the last, and what lies
    /// higher, too.
    /// </summary>
    /// <param name="values">Logits, a whole number of vectors.</param>
    /// <param name="most">The greatest.</param>
    /// <param name="scale">Bins to a unit.</param>
    /// <param name="last">The number of the last bin.</param>
    /// <param name="bins">Receives each one's bin.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Bin(ReadOnlySpan<float> values, float most, float scale, int last, Span<int> bins)
    {
        ref float x = ref Start(values);
        ref int b = ref MemoryMarshal.GetReference(bins[..values.Length]);
        Vector512<float> top = Vector512.Create(most), factor = Vector512.Create(scale);
        Vector512<float> limit = Vector512.Create((float)last);
        for (nuint i = 0; i < (nuint)values.Length; i += Lanes)
        {
            Vector512<float> v = Load(ref x, i);
            Vector512<float> y = Vector512.MinNative((top - v) * factor, limit);
            y = Vector512.ConditionalSelect(Vector512.LessThanOrEqual(v, top), y, limit);
            Vector512.ConvertToInt32Native(y).StoreUnsafe(ref b, i);
        }
    }

    /// <summary>Copies a vector of a block but for its lanes' greatest where these are at least a logit.</summary>
    /// <param name="block">The block.</param>
    /// <param name="index">Where the vector begins.</param>
    /// <param name="groups">The greatest of each lane, <c>[16]</c>.</param>
    /// <param name="from">The logit.</param>
    /// <param name="sample">Receives the vector, with −∞ in the place of what is left out.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CopyOthers(
        ReadOnlySpan<float> block, int index, ReadOnlySpan<float> groups, float from, Span<float> sample)
    {
        Vector512<float> x = Load(ref Start(block), (nuint)index);
        Vector512<float> left = Vector512.Equals(x, Load(ref Start(groups), 0))
            & Vector512.GreaterThanOrEqual(x, Vector512.Create(from));
        Vector512.ConditionalSelect(left, Vector512.Create(float.NegativeInfinity), x).CopyTo(sample);
    }

    /// <summary>Counts how often each bin is there.</summary>
    /// <param name="bins">Bins, a multiple of four.</param>
    /// <param name="counts">
    /// Four rows of a counter a bin: an increment that has to wait for the one before it takes several times as long.
    /// </param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Count(ReadOnlySpan<int> bins, Span<int> counts)
    {
        int row = counts.Length / 4;
        ref int bin = ref MemoryMarshal.GetReference(bins);
        ref int first = ref MemoryMarshal.GetReference(counts);
        ref int second = ref Unsafe.Add(ref first, row);
        ref int third = ref Unsafe.Add(ref second, row);
        ref int fourth = ref Unsafe.Add(ref third, row);
        for (int i = 0; i < bins.Length; i += 4)
        {
            Unsafe.Add(ref first, Unsafe.Add(ref bin, i))++;
            Unsafe.Add(ref second, Unsafe.Add(ref bin, i + 1))++;
            Unsafe.Add(ref third, Unsafe.Add(ref bin, i + 2))++;
            Unsafe.Add(ref fourth, Unsafe.Add(ref bin, i + 3))++;
        }
    }

    /// <summary>Multiplies the counts of <see cref="Count"/> by a weight a bin.</summary>
    /// <param name="counts">The counters, four rows.</param>
    /// <param name="weights">The weights, a whole number of vectors, and at most a row.</param>
    /// <param name="masses">Receives the products.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(ReadOnlySpan<int> counts, ReadOnlySpan<float> weights, Span<float> masses)
    {
        int row = counts.Length / 4;
        ref int count = ref MemoryMarshal.GetReference(counts);
        ref float mass = ref MemoryMarshal.GetReference(masses[..weights.Length]);
        for (int i = 0; i < weights.Length; i += Lanes)
        {
            Vector512<int> sum = Vector512.LoadUnsafe(ref count, (nuint)i)
                + Vector512.LoadUnsafe(ref count, (nuint)(i + row))
                + Vector512.LoadUnsafe(ref count, (nuint)(i + (2 * row)))
                + Vector512.LoadUnsafe(ref count, (nuint)(i + (3 * row)));
            (Vector512.ConvertToSingle(sum) * Load(ref Start(weights), (nuint)i)).StoreUnsafe(ref mass, (nuint)i);
        }
    }

    /// <summary>Writes the upper ends of bins of equal width, from the greatest down.</summary>
    public static void Ends(float most, float width, Span<float> ends)
    {
        ref float end = ref MemoryMarshal.GetReference(ends);
        var steps = Vector512.ConvertToSingle(Vector512<int>.Indices);
        for (int i = 0; i < ends.Length; i += Lanes)
        {
            (Vector512.Create(most) - ((steps + Vector512.Create((float)i)) * Vector512.Create(width)))
                .StoreUnsafe(ref end, (nuint)i);
        }
    }

    /// <summary>How many elements of a block are at least <paramref name="least"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int CountAtLeast(ReadOnlySpan<float> block, float least)
    {
        ref float x = ref Start(block);
        Vector512<int> a = default, b = default;
        var limit = Vector512.Create(least);
        for (nuint i = 0; i < RowBlocks.Size; i += 2 * Lanes)
        {
            a -= Vector512.GreaterThanOrEqual(Load(ref x, i), limit).AsInt32();
            b -= Vector512.GreaterThanOrEqual(Load(ref x, i + 16), limit).AsInt32();
        }

        return Vector512.Sum(a + b);
    }

    /// <summary>Which elements of a vector a cut keeps, a bit each.</summary>
    /// <param name="block">The block.</param>
    /// <param name="index">Where the vector begins in it.</param>
    /// <param name="token">The vector's first token.</param>
    /// <param name="cut">What is kept.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong KeptBits(ReadOnlySpan<float> block, int index, int token, Cut cut)
    {
        Vector512<float> x = Load(ref Start(block), (nuint)index);
        var threshold = Vector512.Create(cut.Threshold);
        ulong kept = Vector512.GreaterThan(x, threshold).ExtractMostSignificantBits();
        ulong equal = Vector512.Equals(x, threshold).ExtractMostSignificantBits();
        return equal == 0 ? kept : kept | (equal & FirstBits(cut.LastTie - (long)token + 1));
    }

    /// <summary>Appends the tokens of a block from a logit to below another.</summary>
    /// <param name="block">The block.</param>
    /// <param name="token">Its first token.</param>
    /// <param name="least">The least logit that is wanted.</param>
    /// <param name="below">Logits from here on are not.</param>
    /// <param name="list">Receives the tokens, by id.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Collect(ReadOnlySpan<float> block, int token, float least, float below, TokenList list)
    {
        list.Reserve(RowBlocks.Size + AtOnce, out Span<int> ids, out Span<float> values);
        ref float x = ref Start(block);
        Span<ulong> words = stackalloc ulong[RowBlocks.Size / Step];
        Vector512<float> low = Vector512.Create(least), high = Vector512.Create(below);
        for (int i = 0; i < words.Length; i++)
        {
            nuint at = (nuint)(i * Step);
            words[i] = Within(Load(ref x, at), low, high)
                | (Within(Load(ref x, at + 16), low, high) << 16)
                | (Within(Load(ref x, at + 32), low, high) << 32)
                | (Within(Load(ref x, at + 48), low, high) << 48);
        }

        // Four places are written for every sixty-four elements, however many there are: no branch that nobody can
        // foretell (as Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019).
        ref int id = ref MemoryMarshal.GetReference(ids);
        int count = 0;
        for (int i = 0; i < words.Length; i++)
        {
            ulong bits = words[i];
            int next = count + BitOperations.PopCount(bits);
            for (int k = 0; k < AtOnce; k++)
            {
                Unsafe.Add(ref id, count + k) = (i * Step) + BitOperations.TrailingZeroCount(bits);
                bits &= bits - 1;
            }

            for (int k = count + AtOnce; k < next; k++)
            {
                Unsafe.Add(ref id, k) = (i * Step) + BitOperations.TrailingZeroCount(bits);
                bits &= bits - 1;
            }

            count = next;
        }

        ref float logit = ref MemoryMarshal.GetReference(values);
        for (int i = 0; i < count; i++)
        {
            Unsafe.Add(ref logit, i) = Unsafe.Add(ref x, Unsafe.Add(ref id, i));
            Unsafe.Add(ref id, i) += token;
        }

        list.Append(count);
    }

    /// <summary>How many elements of a block are exactly <paramref name="value"/>.</summary>
    public static int CountEqual(ReadOnlySpan<float> block, float value) =>
        CountAtLeast(block, value) - CountAtLeast(block, float.BitIncrement(value));

    private static ulong FirstBits(long count) =>
        count <= 0 ? 0 : count >= 64 ? ulong.MaxValue : (1ul << (int)count) - 1;

    // 2^y for y from −126 to 0: the nearest whole number goes into the exponent, a polynomial (minimax, 9e−8) gives the
    // rest. Adding 1.5 · 2^23 rounds to a whole number, which then stands in the lowest bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Weigh(
        Vector512<float> x, Vector512<float> max, Vector512<float> scale, Vector512<float> least)
    {
        Vector512<float> shift = Vector512.Create(12582912f);
        Vector512<float> y = (x - max) * scale;
        Vector512<float> whole = y + shift;
        Vector512<float> f = y - (whole - shift);
        Vector512<float> p = (f * Vector512.Create(0.0013264727f)) + Vector512.Create(0.009671513f);
        p = (p * f) + Vector512.Create(0.055507337f);
        p = (p * f) + Vector512.Create(0.24022242f);
        p = (p * f) + Vector512.Create(0.69314698f);
        p = (p * f) + Vector512<float>.One;
        Vector512<int> power = p.AsInt32() + Vector512.ShiftLeft(whole.AsInt32(), 23);
        return Vector512.ConditionalSelect(
            Vector512.GreaterThanOrEqual(x, least), power.AsSingle(), Vector512<float>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Within(Vector512<float> x, Vector512<float> low, Vector512<float> high) =>
        (Vector512.GreaterThanOrEqual(x, low) & Vector512.LessThan(x, high)).ExtractMostSignificantBits();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static double Add(Vector512<float> lanes)
    {
        (Vector256<double> low, Vector256<double> high) = Vector256.Widen(lanes.GetLower() + lanes.GetUpper());
        Vector256<double> sums = low + high;
        return sums[0] + sums[1] + (sums[2] + sums[3]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ref float Start(ReadOnlySpan<float> values) => ref MemoryMarshal.GetReference(values);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Load(ref float start, nuint index) => Vector512.LoadUnsafe(ref start, index);
}

namespace Octavo.Engine.Sampling;

/// <summary>
/// Finds where tokens, the greatest first and of equal ones the first, reach a number or a sum of weights: by counting
/// into bins, and again those of the bin in which it happens, instead of sorting.
/// </summary>
internal sealed class PrefixSelection
{
    private const int Bins = 512;
    private const int Few = 16;

    private readonly double[] _sums = new double[Bins];
    private int[] _left = new int[2048];

    /// <summary>The last token of the shortest prefix that has <paramref name="target"/> tokens.</summary>
    /// <returns>Its index; −1 where fewer are finite.</returns>
    public int ByCount(ReadOnlySpan<float> logits, int target)
    {
        int count = TakeFinite(logits);
        return count < target ? -1 : Select(logits, [], count, target);
    }

    /// <summary>The last token of the shortest prefix whose weights reach a sum.</summary>
    /// <returns>Its index, the last one where all together do not; −1 where there is none.</returns>
    public int ByWeight(TokenList list, double target) =>
        Select(list.Logits, list.Weights, TakeFinite(list.Logits), target);

    private int Select(ReadOnlySpan<float> logits, ReadOnlySpan<float> weights, int count, double target)
    {
        while (count > Few)
        {
            (float least, float most) = Range(logits, count);
            if (least == most)
            {
                break;
            }

            count = TakeBin(logits, weights, count, least, most, ref target);
        }

        Span<int> left = _left.AsSpan(0, count);
        SortFew(logits, left);
        foreach (int i in left)
        {
            target -= weights.IsEmpty ? 1 : weights[i];
            if (target <= 0)
            {
                return i;
            }
        }

        return count == 0 ? -1 : left[^1];
    }

    private int TakeFinite(ReadOnlySpan<float> logits)
    {
        if (_left.Length < logits.Length)
        {
            _left = new int[Math.Max(logits.Length, _left.Length * 2)];
        }

        int[] left = _left;
        int count = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            left[count] = i;
            count += logits[i] >= float.MinValue ? 1 : 0;
        }

        return count;
    }

    private (float Least, float Most) Range(ReadOnlySpan<float> logits, int count)
    {
        (float least, float most) = (float.PositiveInfinity, float.NegativeInfinity);
        foreach (int i in _left.AsSpan(0, count))
        {
            least = Math.Min(least, logits[i]);
            most = Math.Max(most, logits[i]);
        }

        return (least, most);
    }

    /// <summary>Leaves those of the bin in which the target is reached, and takes off what lies above it.</summary>
    private int TakeBin(
        ReadOnlySpan<float> logits,
        ReadOnlySpan<float> weights,
        int count,
        float least,
        float most,
        ref double target)
    {
        // In double precision, since the range of all floats is none.
        double scale = (Bins - 1) / ((double)most - least);
        Array.Clear(_sums);
        Span<int> left = _left.AsSpan(0, count);
        foreach (int i in left)
        {
            _sums[(int)((most - (double)logits[i]) * scale)] += weights.IsEmpty ? 1 : weights[i];
        }

        int bin = 0;
        while (bin < Bins - 1 && target > _sums[bin])
        {
            target -= _sums[bin++];
        }

        int kept = 0;
        while (kept == 0)
        {
            // Sums that round differently may reach no bin at all: then it is the last that holds something.
            foreach (int i in left)
            {
                if ((int)((most - (double)logits[i]) * scale) == bin)
                {
                    left[kept++] = i;
                }
            }

            bin--;
        }

        return kept;
    }

    // Equal ones keep their order.
    private static void SortFew(ReadOnlySpan<float> logits, Span<int> left)
    {
        if (left.Length > Few)
        {
            return;                                        // all are equal
        }

        for (int i = 1; i < left.Length; i++)
        {
            int moved = left[i];
            int at = i;
            for (; at > 0 && logits[left[at - 1]] < logits[moved]; at--)
            {
                left[at] = left[at - 1];
            }

            left[at] = moved;
        }
    }
}

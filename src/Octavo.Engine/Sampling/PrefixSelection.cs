using System.Runtime.CompilerServices;

namespace Octavo.Engine.Sampling;

/// <summary>
/// Finds where tokens, the greatest first and of equal ones the first, reach a number or a sum of weights: by counting
/// into bins, and again those of the bin in which it happens, instead of sorting.
/// </summary>
internal sealed class PrefixSelection
{
    private const int MostBins = 512;
    private const int LeastBins = 64;
    private const int Few = 16;

    private readonly double[] _sums = new double[MostBins];
    private float[] _logits = [];                          // those still in question …
    private float[] _weights = [];                         // … their weights
    private int[] _indices = [];                           // … where they were
    private int[] _places = [];                            // … and their bins
    private int[] _ordinals = [];                          // 0, 1, 2, …
    private int _count;

    /// <summary>The last token of the shortest prefix that has <paramref name="target"/> tokens.</summary>
    /// <returns>Its index; −1 where fewer are finite.</returns>
    public int ByCount(ReadOnlySpan<float> logits, int target)
    {
        TakeFinite(logits, []);
        return _count < target ? -1 : Select(target);
    }

    /// <summary>The last token of the shortest prefix whose weights reach a sum.</summary>
    /// <returns>Its index, the last one where all together do not; −1 where there is none.</returns>
    public int ByWeight(TokenList list, double target)
    {
        TakeFinite(list.Logits, list.Weights);
        return _count == 0 ? -1 : Select(target);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Select(double target)
    {
        while (_count > Few)
        {
            (float least, float most) = Fill(float.MinValue);
            if (least == most)
            {
                break;
            }

            int last = (_count > MostBins ? MostBins : LeastBins) - 1;

            // What lies lower than all of float32's range below the greatest shares the last bin.
            float scale = last / Math.Min(most - least, float.MaxValue);
            int padded = RowKernels.Padded(_count);
            RowKernels.Bin(_logits.AsSpan(0, padded), most, scale, last, _places);
            TakeBin(last, ref target);
        }

        SortFew();
        for (int i = 0; i < _count - 1; i++)
        {
            target -= _weights[i];
            if (target <= 0)
            {
                return _indices[i];
            }
        }

        return _indices[_count - 1];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void TakeFinite(ReadOnlySpan<float> logits, ReadOnlySpan<float> weights)
    {
        Reserve(logits.Length);
        _count = logits.Length;
        logits.CopyTo(_logits);
        _ordinals.AsSpan(0, _count).CopyTo(_indices);
        if (weights.IsEmpty)
        {
            _weights.AsSpan(0, _count).Fill(1);
        }
        else
        {
            weights.CopyTo(_weights);
        }

        if (_count > 0 && float.IsNegativeInfinity(Fill(float.NegativeInfinity).Least))
        {
            int kept = 0;
            for (int i = 0; i < _count; i++)
            {
                (_logits[kept], _weights[kept], _indices[kept]) = (_logits[i], _weights[i], _indices[i]);
                kept += float.IsNegativeInfinity(_logits[i]) ? 0 : 1;
            }

            _count = kept;
        }
    }

    private void Reserve(int count)
    {
        if (_logits.Length < count)
        {
            int length = RowKernels.Padded(Math.Max(count, _logits.Length * 2));
            (_logits, _weights) = (new float[length], new float[length]);
            (_indices, _places) = (new int[length], new int[length]);
            _ordinals = [.. Enumerable.Range(0, length)];
        }
    }

    /// <summary>Fills the last vector up with what changes nothing, and says how far the logits reach.</summary>
    private (float Least, float Most) Fill(float from)
    {
        int padded = RowKernels.Padded(_count);
        _logits.AsSpan(_count, padded - _count).Fill(_logits[0]);
        return RowKernels.Range(_logits.AsSpan(0, padded), from, float.MaxValue);
    }

    /// <summary>Leaves those of the bin in which the target is reached, and takes off what lies above it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void TakeBin(int last, ref double target)
    {
        Span<double> sums = _sums.AsSpan(0, last + 1);
        sums.Clear();
        ReadOnlySpan<int> bins = _places.AsSpan(0, _count);
        RowKernels.Tally(bins, _weights, sums);

        int bin = 0;
        while (bin < last && target > sums[bin])
        {
            target -= sums[bin++];
        }

        // Sums that round differently may reach no bin at all: then it is the last that holds something.
        while (!bins.Contains(bin))
        {
            bin--;
        }

        int kept = 0;
        int next = bins.IndexOf(bin);
        while (next >= 0)
        {
            (_logits[kept], _weights[kept], _indices[kept]) = (_logits[next], _weights[next], _indices[next]);
            kept++;
            int more = bins[(next + 1)..].IndexOf(bin);
            next = more < 0 ? -1 : next + 1 + more;
        }

        _count = kept;
    }

    // Equal ones keep their order; where there are many, all are equal.
    private void SortFew()
    {
        if (_count > Few)
        {
            return;
        }

        for (int i = 1; i < _count; i++)
        {
            (float logit, float weight, int index) = (_logits[i], _weights[i], _indices[i]);
            int at = i;
            for (; at > 0 && _logits[at - 1] < logit; at--)
            {
                (_logits[at], _weights[at], _indices[at]) = (_logits[at - 1], _weights[at - 1], _indices[at - 1]);
            }

            (_logits[at], _weights[at], _indices[at]) = (logit, weight, index);
        }
    }
}

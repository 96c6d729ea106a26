using System.Runtime.InteropServices;

namespace Octavo.Engine.Sampling;

/// <summary>
/// A sixteenth of a row, always the same elements, which tells between which two logits a sum of weights or a number of
/// tokens is very likely reached. What it says is checked against the row, so it decides how long that takes and nothing
/// else.
/// </summary>
/// <param name="capacity">Elements of the longest row.</param>
internal sealed class RowSample(int capacity)
{
    /// <summary>Elements of the row to one of the sample.</summary>
    public const int Share = 16;

    private const int Bins = 1024;
    private const int MostLooks = 5;
    private const int MostInside = 48;                     // of the sample, a part of so much is few enough
    private const double Deviations = 3;

    private readonly float[] _logits = new float[RowBlocks.CountOf(capacity) * RowBlocks.Size / Share];
    private readonly float[] _weights = new float[RowBlocks.CountOf(capacity) * RowBlocks.Size / Share];
    private readonly Bin[] _bins = new Bin[Bins];
    private int _count;

    /// <summary>The sum of the sample's weights.</summary>
    public double Mass { get; private set; }

    /// <summary>Takes the sample of a row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="softmax">How tokens are weighed; null counts each as one.</param>
    /// <param name="least">Tokens below weigh nothing.</param>
    /// <param name="below">Nor do tokens from here on.</param>
    public void Take(RowBlocks row, Softmax? softmax, float least, float below)
    {
        _count = 0;
        for (int b = 0; b < row.Count; b++)
        {
            ReadOnlySpan<float> block = row[b];
            for (int quarter = 0; quarter < 4; quarter++)
            {
                int vector = (quarter * 16) + (((7 * b) + (3 * quarter)) % 16);
                block.Slice(vector * RowKernels.Lanes, RowKernels.Lanes).CopyTo(_logits.AsSpan(_count));
                _count += RowKernels.Lanes;
            }
        }

        if (softmax is { } weighed)
        {
            RowKernels.Weigh(_logits, _count, weighed with { Least = Math.Max(least, weighed.Least) }, _weights);
        }

        Mass = 0;
        for (int i = 0; i < _count; i++)
        {
            float weight = _logits[i] >= least && _logits[i] < below ? softmax is null ? 1 : _weights[i] : 0;
            _weights[i] = weight;
            Mass += weight;
        }
    }

    /// <summary>Between which logits the weights, from the greatest on, reach a part of <see cref="Mass"/>.</summary>
    /// <param name="target">That part.</param>
    /// <param name="share">
    /// The part of the whole that it is to be, where the whole is known by the sample only; 0 where it is known.
    /// </param>
    /// <returns>A lower and an upper bound, the same where it happens at one logit.</returns>
    public (float Least, float Below) Locate(double target, double share)
    {
        (float bottom, float top) = (float.NegativeInfinity, float.PositiveInfinity);
        (float least, float most) = Range(bottom, top);
        double passed = 0;
        double margin = -1;
        for (int look = 0; look < MostLooks && least < most; look++)
        {
            Count(least, most);
            margin = margin < 0 ? Margin(target, share) : margin;
            (int first, int last, int inside, passed) = Find(target, margin, passed);
            float width = (most - least) / (Bins - 1);
            bottom = last == Bins - 1 ? bottom : most - ((last + 1) * width);
            top = first == 0 ? top : most - (first * width);
            if (inside <= _count / MostInside)
            {
                break;
            }

            (least, most) = Range(bottom, top);
        }

        return least == most ? (least, most) : (bottom, top);
    }

    private (float Least, float Most) Range(float from, float to)
    {
        (float least, float most) = (float.PositiveInfinity, float.NegativeInfinity);
        for (int i = 0; i < _count; i++)
        {
            float logit = _logits[i];
            if (_weights[i] > 0 && logit >= from && logit <= to)
            {
                least = Math.Min(least, logit);
                most = Math.Max(most, logit);
            }
        }

        return (least, most);
    }

    private void Count(float least, float most)
    {
        Array.Clear(_bins);
        float scale = (Bins - 1) / (most - least);
        for (int i = 0; i < _count; i++)
        {
            float weight = _weights[i];
            float logit = _logits[i];
            if (weight > 0 && logit >= least && logit <= most)
            {
                ref Bin bin = ref _bins[(int)((most - logit) * scale)];
                bin.Mass += weight;
                bin.Squares += weight * weight;
                bin.Count++;
            }
        }
    }

    // The variance of what a sixteenth of the tokens says about all of them: each token's weight, squared; where the
    // whole is not known either, those above count by what is below, and the other way round.
    private double Margin(double target, double share)
    {
        (double passed, double above, double below) = (0, 0, 0);
        foreach (Bin bin in _bins)
        {
            if (passed < target)
            {
                above += bin.Squares;
            }
            else
            {
                below += bin.Squares;
            }

            passed += bin.Mass;
        }

        return Deviations * Math.Sqrt(((1 - share) * (1 - share) * above) + (share * share * below));
    }

    private (int First, int Last, int Inside, double Above) Find(double target, double margin, double passed)
    {
        (int first, int last, int inside, double above) = (0, Bins - 1, 0, passed);
        for (int b = 0; b < Bins; b++)
        {
            if (passed + _bins[b].Mass < target - margin)
            {
                passed += _bins[b].Mass;
                (first, above) = (b + 1, passed);
                continue;
            }

            passed += _bins[b].Mass;
            inside += _bins[b].Count;
            if (passed >= target + margin)
            {
                last = b;
                break;
            }
        }

        return (Math.Min(first, Bins - 1), last, inside, above);
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Bin
    {
        public double Mass;
        public double Squares;
        public int Count;
    }
}

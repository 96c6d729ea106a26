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
    private const int FinestBins = 4;                      // so many bins between both bounds tell as much as finer ones
    private const double Deviations = 2;

    private readonly float[] _logits = new float[RowBlocks.CountOf(capacity) * RowBlocks.Size / Share];
    private readonly float[] _weights = new float[RowBlocks.CountOf(capacity) * RowBlocks.Size / Share];
    private readonly double[] _masses = new double[Bins + 1];      // of each bin; the last holds what lies lower
    private readonly float[] _binWeights = new float[Bins];        // of a token at each bin's upper end
    private readonly float[] _binLogits = new float[Bins];
    private Softmax? _softmax;
    private readonly int[] _places = new int[RowBlocks.CountOf(capacity) * RowBlocks.Size / Share];
    private int _count;
    private float _from;                                   // what weighs anything lies between this …
    private float _to;                                     // … and this

    private ReadOnlySpan<float> Logits => _logits.AsSpan(0, _count);

    /// <summary>The sum of the sample's weights.</summary>
    public double Mass { get; private set; }

    /// <summary>Takes the sample of a row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="softmax">How tokens are weighed; null counts each as one.</param>
    /// <param name="least">Tokens below weigh nothing.</param>
    /// <param name="below">Nor do tokens from here on.</param>
    public void Take(RowBlocks row, Softmax? softmax, float least, float below)
    {
        (_count, _softmax) = (0, softmax);
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
            RowKernels.Weigh(_logits, _count, weighed, _weights);
        }
        else
        {
            _weights.AsSpan(0, _count).Fill(1);
        }

        (_from, _to) = (least, float.BitDecrement(below));
        Mass = RowKernels.KeepWithin(Logits, _from, _to, _weights);
    }

    /// <summary>Between which logits the weights, from the greatest on, reach a part of <see cref="Mass"/>.</summary>
    /// <param name="target">That part.</param>
    /// <param name="share">
    /// The part of the whole that it is to be, where the whole is known by the sample only; 0 where it is known.
    /// </param>
    /// <returns>A lower and an upper bound, the same where it happens at one logit.</returns>
    public (float Least, float Below) Locate(double target, double share)
    {
        (float bottom, float top) = (_from, _to);
        (float least, float most) = RowKernels.Range(Logits, bottom, top);
        bool isOpen = true;                                // nothing is known about what lies above
        double margin = -1;
        for (int look = 0; look < MostLooks && least < most; look++)
        {
            Count(least, most);
            margin = margin < 0 ? Margin(least, most, target, share) : margin;
            (int first, int last) = Find(target, margin);
            float width = (most - least) / (Bins - 1);
            isOpen &= first == 0;
            bottom = last == Bins - 1 ? bottom : most - ((last + 1) * width);
            top = first == 0 ? top : most - (first * width);
            if (last - first >= FinestBins)
            {
                break;
            }

            (least, most) = RowKernels.Range(Logits, bottom, top);
        }

        return least == most ? (least, most) : (bottom, isOpen ? float.PositiveInfinity : top);
    }

    private void Count(float least, float most)
    {
        Array.Clear(_masses);
        RowKernels.Bin(Logits, most, (Bins - 1) / (most - least), Bins, _places);
        RowKernels.Tally(_places.AsSpan(0, _count), _weights, _masses);
    }

    // The variance of what a sixteenth of the tokens says about all of them: each token's weight, squared; where the
    // whole is not known either, those above count by what is below, and the other way round.
    private double Margin(float least, float most, double target, double share)
    {
        WeighBins(least, most);
        (double passed, double above, double below) = (0, 0, 0);
        for (int b = 0; b < Bins; b++)
        {
            double squares = _masses[b] * _binWeights[b];
            (above, below) = passed < target ? (above + squares, below) : (above, below + squares);
            passed += _masses[b];
        }

        return Deviations * Math.Sqrt(((1 - share) * (1 - share) * above) + (share * share * below));
    }

    private void WeighBins(float least, float most)
    {
        if (_softmax is not { } softmax)
        {
            Array.Fill(_binWeights, 1);
            return;
        }

        float width = (most - least) / (Bins - 1);
        for (int b = 0; b < Bins; b++)
        {
            _binLogits[b] = most - (b * width);
        }

        RowKernels.Weigh(_binLogits, Bins, softmax, _binWeights);
    }

    // What lies above the first bin is in it, too.
    private (int First, int Last) Find(double target, double margin)
    {
        int first = 0;
        double passed = 0;
        for (int b = 0; b < Bins; b++)
        {
            passed += _masses[b];
            if (passed < target - margin)
            {
                first = Math.Min(b + 1, Bins - 1);
            }
            else if (passed >= target + margin)
            {
                return (first, b);
            }
        }

        return (first, Bins - 1);
    }
}

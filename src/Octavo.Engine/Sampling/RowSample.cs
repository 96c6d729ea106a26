using System.Runtime.CompilerServices;

namespace Octavo.Engine.Sampling;

/// <summary>
/// A sixteenth of a row, always the same elements, which tells between which two logits a sum of weights or a number
/// of tokens is very likely reached. What it says is checked against the row, so it decides how long that takes and
/// nothing else.
/// </summary>
/// <param name="capacity">Elements of the longest row.</param>
internal sealed class RowSample(int capacity)
{
    /// <summary>Elements of the row to one of the sample.</summary>
    public const int Share = 16;

    private const int Bins = 1024;
    private const int MostLooks = 5;
    private const int FinestBins = 4;                      // between both bounds; finer ones tell no more
    private const double Deviations = 2;

    private readonly float[] _logits = new float[RowBlocks.CountOf(capacity) * RowBlocks.Size / Share];
    private readonly int[] _places = new int[RowBlocks.CountOf(capacity) * RowBlocks.Size / Share];
    private readonly int[] _counts = new int[4 * (Bins + 1)];      // the last bin holds what lies beyond
    private readonly float[] _masses = new float[Bins];
    private readonly float[] _binLogits = new float[Bins];
    private readonly float[] _binWeights = new float[Bins];
    private Softmax? _softmax;
    private int _count;
    private float _least;                                  // of those in question
    private float _most;

    private ReadOnlySpan<float> Logits => _logits.AsSpan(0, _count);

    /// <summary>The sum of the sample's weights, roughly, after <see cref="Take"/>.</summary>
    public double Mass { get; private set; }

    /// <summary>Takes the sample of a row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="groups">The greatest of its groups (<see cref="RowScan.Groups"/>).</param>
    /// <param name="from">Those of them that are at least this are left out: they are known.</param>
    /// <param name="softmax">How tokens are weighed; null counts each as one.</param>
    /// <param name="least">Tokens below are left out, too.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Take(RowBlocks row, ReadOnlySpan<float> groups, float from, Softmax? softmax, float least)
    {
        (_count, _softmax) = (0, softmax);
        for (int b = 0; b < row.Count; b++)
        {
            ReadOnlySpan<float> block = row[b];
            ReadOnlySpan<float> greatest = groups.Slice(b * RowKernels.Lanes, RowKernels.Lanes);
            for (int quarter = 0; quarter < 4; quarter++)
            {
                int vector = (quarter * 16) + (((7 * b) + (3 * quarter)) % 16);
                RowKernels.CopyOthers(
                    block, vector * RowKernels.Lanes, greatest, from, _logits.AsSpan(_count, RowKernels.Lanes));
                _count += RowKernels.Lanes;
            }
        }

        (_least, _most) = RowKernels.Range(Logits, least, float.MaxValue);
        Count();
        Mass = RowKernels.Sum(_masses);
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
        double passed = 0;
        double margin = Margin(target, share);
        for (int look = 1; _least < _most; look++)
        {
            (int first, int last, passed) = Find(target, margin, passed);
            float width = (_most - _least) / (Bins - 1);
            bottom = last == Bins - 1 ? bottom : _most - ((last + 1) * width);
            top = first == 0 ? top : _most - (first * width);
            if (last - first >= FinestBins || look == MostLooks)
            {
                return (bottom, top);
            }

            (_least, _most) = RowKernels.Range(
                Logits, Math.Max(bottom, _least), first == 0 ? _most : float.BitDecrement(top));
            Count();
        }

        return _least == _most ? (_least, _most) : (bottom, top);
    }

    /// <summary>Counts the tokens in question into bins, and weighs these by their upper ends.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Count()
    {
        Array.Clear(_counts);
        Array.Clear(_masses);
        if (!(_least <= _most))
        {
            return;
        }

        float width = (_most - _least) / (Bins - 1);
        RowKernels.Bin(Logits, _most, _least < _most ? 1 / width : 0, Bins, _places);
        RowKernels.Count(_places.AsSpan(0, _count), _counts);
        if (_softmax is { } softmax)
        {
            RowKernels.Ends(_most, width, _binLogits);
            RowKernels.Weigh(_binLogits, Bins, softmax, _binWeights);
        }
        else
        {
            Array.Fill(_binWeights, 1);
        }

        RowKernels.Multiply(_counts, _binWeights, _masses);
    }

    // The variance of what a sixteenth of the tokens says about all of them: each token's weight, squared; where the
    // whole is not known either, those above count by what is below, and the other way round.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private double Margin(double target, double share)
    {
        (double passed, double above, double below) = (0, 0, 0);
        for (int b = 0; b < Bins; b++)
        {
            double squares = (double)_masses[b] * _binWeights[b];
            (above, below) = passed < target ? (above + squares, below) : (above, below + squares);
            passed += _masses[b];
        }

        return Deviations * Math.Sqrt(((1 - share) * (1 - share) * above) + (share * share * below));
    }

    /// <summary>The first and the last bin in which the target may be reached, and what lies above the first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private (int First, int Last, double Above) Find(double target, double margin, double passed)
    {
        (int first, double above) = (0, passed);
        for (int b = 0; b < Bins; b++)
        {
            passed += _masses[b];
            if (passed < target - margin && b < Bins - 1)
            {
                (first, above) = (b + 1, passed);
            }
            else if (passed >= target + margin)
            {
                return (first, b, above);
            }
        }

        return (first, Bins - 1, above);
    }
}

using System.Runtime.CompilerServices;

namespace Octavo.Engine.Sampling;

/// <summary>
/// Finds what top-k, top-p and min-p keep of a row, and the weight of it in each block. Each of them keeps a prefix of
/// the tokens, the most likely first and of equal ones the lower id, so all of them together keep the shortest.
/// </summary>
/// <param name="capacity">Elements of the longest row.</param>
internal sealed class CutSearch(int capacity)
{
    // Tokens so likely are weighed one by one, before a sample has to tell about the others.
    private const int Likeliest = 256;

    // So many tokens are sooner weighed one by one than a row is gone through again.
    private const int MostListed = 16 * RowBlocks.Size;

    // A row that is as fast looked at whole as by a sample.
    private const int SmallRow = 2 * RowBlocks.Size;

    // A row that is sooner weighed than a sample of it is looked at.
    private const int QuicklyWeighed = 16 * RowBlocks.Size;

    // Of such a row tokens are listed down to some weight, then down to a part of that, and so on.
    private const int MostLists = 3;
    private const double NextList = 4;

    private const float LeastTemperature = 1e-2f;

    private readonly TokenList _list = new();
    private readonly PrefixSelection _selection = new();
    private readonly RowSample _sample = new(capacity);
    private readonly RowScan _scan = new(capacity);
    private readonly double[] _masses = new double[RowBlocks.CountOf(capacity)];
    private readonly float[] _groupWeights = new float[RowBlocks.CountOf(capacity) * RowKernels.Lanes];
    private Known _known;

    private enum Known
    {
        /// <summary>Nothing but the cut.</summary>
        Nothing,

        /// <summary>The list holds what the cut keeps, and perhaps more.</summary>
        List,

        /// <summary>The masses are those of the cut.</summary>
        Masses,
    }

    /// <summary>What the last row's greatest logits are.</summary>
    public RowScan Scan => _scan;

    /// <summary>How its logits are weighed.</summary>
    public Softmax Softmax { get; private set; }

    /// <summary>What is kept of it.</summary>
    public Cut Cut { get; private set; }

    /// <summary>The kept weight of each block, after <see cref="Find"/>.</summary>
    public ReadOnlySpan<double> Masses => _masses;

    /// <summary>Looks at a row; false where its greatest logit is not finite.</summary>
    /// <param name="row">The row.</param>
    /// <param name="p">The parameters that say what is kept.</param>
    public bool TryScan(RowBlocks row, SamplingParams p)
    {
        _known = Known.Nothing;
        float temperature = Math.Max(p.Temperature, LeastTemperature);
        bool all = p is { TopK: <= 0, TopP: >= 1, MinP: <= 0, IsGreedy: false };
        if (all)
        {
            Softmax = _scan.Run(row, temperature, _masses);
            _known = Known.Masses;
        }
        else
        {
            _scan.Run(row);
        }

        if (!float.IsFinite(_scan.Max))
        {
            return false;
        }

        Softmax = all ? Softmax : Softmax.Of(_scan.Max, temperature);
        Cut = Cut.AtLeast(Softmax.Least);
        return true;
    }

    /// <summary>Finds what is kept of the row that was looked at, and what it weighs.</summary>
    public void Find(RowBlocks row, SamplingParams p)
    {
        if (p.MinP > 0)
        {
            Cut = Cut.And(Cut.AtLeast(Softmax.LogitOf(p.MinP)));
        }

        if (p.TopK > 0 && p.TopK < row.Length)
        {
            CutByCount(row, p.TopK);
        }

        if (p.TopP < 1)
        {
            CutByMass(row, p.TopP);
        }

        if (_known == Known.List)
        {
            WeighList();
        }
        else if (_known == Known.Nothing)
        {
            WeighRow(row);
        }
    }

    private void CutByCount(RowBlocks row, int count)
    {
        if (!_scan.TakeLikeliest(row, count, Cut.Threshold, _selection, _list) && !TryTakeByCount(row, count))
        {
            return;
        }

        if (_selection.ByCount(_list.Logits, count) is >= 0 and var last)
        {
            CutAt(last);
            _list.Keep(Cut);
        }

        _list.Weigh(Softmax);
        _known = Known.List;
    }

    /// <summary>Lists tokens among which the most likely are; false where it counts them instead.</summary>
    private bool TryTakeByCount(RowBlocks row, int count)
    {
        if (row.Length <= SmallRow)
        {
            _scan.Take(row, Cut.Threshold, count, _list);
            return true;
        }

        _sample.Take(row, _scan.Groups, float.PositiveInfinity, null, Cut.Threshold);
        (float least, float below) = _sample.Locate((double)count / RowSample.Share, share: 0);
        if (count <= MostListed)
        {
            _scan.Take(row, Math.Max(least, Cut.Threshold), count, _list);
            if (_list.Count >= count || least <= Cut.Threshold)
            {
                return true;
            }
        }

        Narrow(row, least, below, byCount: true, count, double.NaN);
        return false;
    }

    private void CutByMass(RowBlocks row, double share)
    {
        if (_known == Known.List)
        {
            CutAt(_selection.ByWeight(_list, share * RowKernels.Sum(_list.Weights)));
        }
        else if (row.Length > SmallRow)
        {
            CutByMassOfSample(row, share);
        }
        else
        {
            // All tokens that weigh less together weigh less than what may be left out.
            double whole = WeighRow(row);
            float least = Softmax.LogitOf((1 - share) * whole / row.Length * 0.999);
            _scan.Take(row, Math.Max(Cut.Threshold, least), int.MaxValue, _list);
            _list.Weigh(Softmax);
            CutAt(_selection.ByWeight(_list, share * whole));
            _known = Known.List;
        }
    }

    /// <summary>
    /// The likeliest tokens are known; where they are not enough, a sample of the others tells roughly how far these
    /// must be gone through.
    /// </summary>
    private void CutByMassOfSample(RowBlocks row, double share)
    {
        int nth = _selection.ByCount(_scan.Groups, Math.Min(Likeliest, _scan.Groups.Length / 4 * 3));
        float from = Math.Max(Cut.Threshold, nth < 0 ? float.MinValue : float.BitIncrement(_scan.Groups[nth]));
        RowKernels.Weigh(_scan.Groups, _scan.Groups.Length, Softmax with { Least = from }, _groupWeights);
        double likeliest = RowKernels.Sum(_groupWeights.AsSpan(0, _scan.Groups.Length));
        bool isShort = row.Length <= QuicklyWeighed;
        double whole = Cut.LastTie < int.MaxValue || isShort ? WeighRow(row) : double.NaN;
        float lower = from;
        for (int i = 0; isShort && i < MostLists; i++)
        {
            if (TryCutLikeliest(row, lower, share * whole))
            {
                return;
            }

            lower = Math.Max(Cut.Threshold, Softmax.LogitOf(WeightOf(lower) / NextList));
        }

        _sample.Take(row, _scan.Groups, from, Softmax, Cut.Threshold);
        double others = _sample.Mass * RowSample.Share;
        double target = (share * (double.IsNaN(whole) ? likeliest + others : whole)) - likeliest;
        if (double.IsNaN(whole) && target <= 0)
        {
            whole = WeighRow(row);
            if (TryCutLikeliest(row, from, share * whole))
            {
                return;
            }
        }

        (float least, float below) = _sample.Locate(Math.Max(target, 0) / RowSample.Share, share);
        Narrow(row, least, below, byCount: false, share, whole);
    }

    /// <summary>Weighs the tokens from a logit on one by one; false where they are not enough.</summary>
    private bool TryCutLikeliest(RowBlocks row, float from, double target)
    {
        _scan.Take(row, from, int.MaxValue, _list);
        if (_list.Weigh(Softmax) < target)
        {
            return false;
        }

        CutAt(_selection.ByWeight(_list, target));
        _known = Known.List;
        return true;
    }

    /// <summary>Finds a cut between two logits; or beyond them, where it is not between them.</summary>
    /// <param name="row">The row.</param>
    /// <param name="least">The lower one.</param>
    /// <param name="below">
    /// The upper one; the same as the lower where only tokens of that logit are in question.
    /// </param>
    /// <param name="byCount">Whether tokens are counted instead of weighed.</param>
    /// <param name="wanted">How many are kept, or which part of the whole.</param>
    /// <param name="whole">The weight of the whole; NaN where it is not known yet.</param>
    private void Narrow(RowBlocks row, float least, float below, bool byCount, double wanted, double whole)
    {
        (least, below) = (Math.Max(least, Cut.Threshold), Math.Max(below, Cut.Threshold));
        bool isThere = false;                              // the target is known to be reached above the lower one
        while (true)
        {
            bool ties = least == below;
            below = ties ? float.BitIncrement(least) : below;
            _list.Clear();
            double above = byCount
                ? CountFrom(row, ties ? below : least, below)
                : WeighFrom(row, ties ? below : least, below, ref whole);
            double target = byCount ? wanted : wanted * whole;
            if (above >= target)
            {
                (least, below, isThere) = (below, float.PositiveInfinity, true);
                continue;
            }

            Cut? found = ties
                ? TakeTies(row, least, byCount, target - above)
                : TakeBetween(byCount, target - above, isThere);
            if (found is { } cut)
            {
                // Sums that round differently may reach a target only behind what an earlier cut has left.
                _known = !byCount && Cut.And(cut) == cut ? Known.Masses : Known.Nothing;
                Cut = Cut.And(cut);
                return;
            }

            if (least <= Cut.Threshold)
            {
                _known = Known.Nothing;                    // all of what was left is kept
                return;
            }

            (least, below) = (Cut.Threshold, least);
        }
    }

    /// <summary>Counts what is at least a logit, and lists what lies from another one up to it.</summary>
    private double CountFrom(RowBlocks row, float least, float below)
    {
        double sum = 0;
        for (int b = 0; b < row.Count; b++)
        {
            sum += _scan[b] >= below ? RowKernels.CountAtLeast(row[b], below) : 0;
            Collect(row, b, least, below);
        }

        return sum;
    }

    /// <summary>
    /// Weighs what is at least a logit, block by block, and all of the row, where that is not known; and lists what
    /// lies from another one up to it.
    /// </summary>
    private double WeighFrom(RowBlocks row, float least, float below, ref double whole)
    {
        bool isKnown = !double.IsNaN(whole);
        double sum = 0;
        double all = 0;
        for (int b = 0; b < row.Count; b++)
        {
            double mass = 0;
            if (isKnown)
            {
                mass = _scan[b] >= below ? RowKernels.Sum(row[b], Softmax, below) : 0;
            }
            else if (_scan[b] >= Cut.Threshold)
            {
                (double blockAll, mass) = RowKernels.Sums(row[b], Softmax, Cut.Threshold, below);
                all += blockAll;
            }

            _masses[b] = mass;
            sum += mass;
            Collect(row, b, least, below);
        }

        whole = isKnown ? whole : all;
        return sum;
    }

    private Cut? TakeBetween(bool byCount, double target, bool isThere)
    {
        double inside = byCount ? _list.Count : _list.Weigh(Softmax);
        if (inside < target && !isThere)
        {
            return null;
        }

        int last = byCount
            ? _selection.ByCount(_list.Logits, (int)target)
            : _selection.ByWeight(_list, target);
        var cut = new Cut(_list.Logits[last], _list.Ids[last]);
        if (!byCount)
        {
            AddList(cut);
        }

        return cut;
    }

    private Cut? TakeTies(RowBlocks row, float logit, bool byCount, double target)
    {
        double weight = byCount ? 1 : WeightOf(logit);
        double left = Math.Ceiling(target / weight);
        for (int b = 0; b < row.Count; b++)
        {
            int count = _scan[b] >= logit ? RowKernels.CountEqual(row[b], logit) : 0;
            _masses[b] += Math.Min(count, left) * weight;
            if (count >= left)
            {
                return new Cut(logit, IndexOfTie(row, b, logit, (int)left));
            }

            left -= count;
        }

        return null;
    }

    private static int IndexOfTie(RowBlocks row, int block, float logit, int number)
    {
        ReadOnlySpan<float> values = row[block];
        int at = -1;
        for (; number > 0; number--)
        {
            at += 1 + values[(at + 1)..].IndexOf(logit);
        }

        return (block * RowBlocks.Size) + at;
    }

    private void Collect(RowBlocks row, int block, float least, float below)
    {
        if (least < below && _scan[block] >= least)
        {
            RowKernels.Collect(row[block], block * RowBlocks.Size, least, below, _list);
        }
    }

    private void CutAt(int last) => Cut = Cut.And(new Cut(_list.Logits[last], _list.Ids[last]));

    private void WeighList()
    {
        Array.Clear(_masses);
        AddList(Cut);
        _known = Known.Masses;
    }

    /// <summary>Adds what a cut keeps of the list to the masses; no branch, which nobody could foretell here.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddList(Cut cut)
    {
        ReadOnlySpan<int> ids = _list.Ids;
        ReadOnlySpan<float> logits = _list.Logits[..ids.Length];
        ReadOnlySpan<float> weights = _list.Weights[..ids.Length];
        double mass = 0;
        for (int i = 0; i < ids.Length; i++)
        {
            mass += cut.Ones(logits[i], ids[i]) * weights[i];
            int block = ids[i] >> RowBlocks.SizeBits;
            if (i + 1 == ids.Length || ids[i + 1] >> RowBlocks.SizeBits != block)
            {
                _masses[block] += mass;
                mass = 0;
            }
        }
    }

    private double WeighRow(RowBlocks row)
    {
        bool split = Cut.LastTie < int.MaxValue;
        float least = split ? float.BitIncrement(Cut.Threshold) : Cut.Threshold;
        double weight = split ? WeightOf(Cut.Threshold) : 0;
        double sum = 0;
        for (int b = 0; b < row.Count; b++)
        {
            double mass = _scan[b] >= least ? RowKernels.Sum(row[b], Softmax, least) : 0;
            int tied = Math.Clamp(Cut.LastTie - (b * RowBlocks.Size) + 1, 0, RowBlocks.Size);
            if (split && tied > 0 && _scan[b] >= Cut.Threshold)
            {
                mass += weight * (tied < RowBlocks.Size
                    ? row[b][..tied].Count(Cut.Threshold)
                    : RowKernels.CountEqual(row[b], Cut.Threshold));
            }

            _masses[b] = mass;
            sum += mass;
        }

        _known = Known.Masses;
        return sum;
    }

    private float WeightOf(float logit)
    {
        Span<float> one = stackalloc float[RowKernels.Lanes];
        one.Fill(logit);
        RowKernels.Weigh(one, 1, Softmax, one);
        return one[0];
    }
}

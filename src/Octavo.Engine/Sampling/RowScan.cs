namespace Octavo.Engine.Sampling;

/// <summary>
/// What one pass over a row finds: its greatest logits, and the sum of all weights where that is wanted.
/// </summary>
/// <param name="capacity">Elements of the longest row.</param>
internal sealed class RowScan(int capacity)
{
    private readonly float[] _groups = new float[RowBlocks.CountOf(capacity) * RowKernels.Lanes];
    private readonly float[] _blocks = new float[RowBlocks.CountOf(capacity) + RowKernels.Lanes];
    private readonly float[] _factors = new float[RowBlocks.CountOf(capacity) + RowKernels.Lanes];
    private readonly double[] _sums = new double[RowBlocks.CountOf(capacity)];
    private int _count;

    /// <summary>The greatest logit; NaN where one is.</summary>
    public float Max { get; private set; }

    /// <summary>
    /// The greatest of each sixty-four: every sixteenth of a block from its first on, from its second on, ….
    /// </summary>
    public ReadOnlySpan<float> Groups => _groups.AsSpan(0, _count * RowKernels.Lanes);

    /// <summary>The greatest of a block.</summary>
    public float this[int block] => _blocks[block];

    /// <summary>Looks at a row.</summary>
    public void Run(RowBlocks row)
    {
        (Max, _count) = (float.NegativeInfinity, row.Count);
        bool hasNaN = false;
        for (int b = 0; b < _count; b++)
        {
            LookAt(row, b, ref hasNaN);
        }

        Max = hasNaN ? float.NaN : Max;
    }

    /// <summary>
    /// Looks at a row and sums its weights, each block's around its own greatest while it is in the first-level cache,
    /// so that the row is read once.
    /// </summary>
    /// <param name="row">The row.</param>
    /// <param name="temperature">The temperature of the weights.</param>
    /// <param name="masses">Receives each block's sum of weights.</param>
    /// <returns>How logits were weighed.</returns>
    public Softmax Run(RowBlocks row, float temperature, Span<double> masses)
    {
        (Max, _count) = (float.NegativeInfinity, row.Count);
        bool hasNaN = false;
        Softmax softmax = Softmax.Of(0, temperature);
        for (int b = 0; b < _count; b++)
        {
            float max = LookAt(row, b, ref hasNaN);
            Softmax around = softmax.Around(float.IsFinite(max) ? max : 0);
            _sums[b] = float.IsFinite(max) ? RowKernels.Sum(row[b], around, around.Least) : 0;
        }

        Max = hasNaN ? float.NaN : Max;
        if (float.IsFinite(Max))
        {
            softmax = softmax.Around(Max);
            RowKernels.Weigh(_blocks, _count, softmax, _factors);
            for (int b = 0; b < _count; b++)
            {
                masses[b] = _sums[b] * _factors[b];
            }
        }

        return softmax;
    }

    /// <summary>The lowest of the tokens that are the greatest.</summary>
    public int IndexOfMax(RowBlocks row)
    {
        int block = _blocks.AsSpan(0, _count).IndexOf(Max);
        return (block * RowBlocks.Size) + row[block].IndexOf(Max);
    }

    /// <summary>How many tokens are at least as likely.</summary>
    public int CountAtLeast(RowBlocks row, float logit)
    {
        int count = 0;
        for (int b = 0; b < _count; b++)
        {
            // What fills up the last block is no token.
            count += !(_blocks[b] >= logit) ? 0
                : float.IsNegativeInfinity(logit) ? Math.Min(RowBlocks.Size, row.Length - (b * RowBlocks.Size))
                : RowKernels.CountAtLeast(row[b], logit);
        }

        return count;
    }

    /// <summary>
    /// Lists tokens among which the <paramref name="count"/> most likely are: those as great as that many groups'
    /// greatest.
    /// </summary>
    /// <param name="row">The row.</param>
    /// <param name="count">How many are wanted.</param>
    /// <param name="least">Tokens below are not.</param>
    /// <param name="selection">Finds that many groups' greatest.</param>
    /// <param name="list">Receives the tokens, by id.</param>
    /// <returns>False where the groups are too few to tell; nothing is listed then.</returns>
    public bool TakeLikeliest(RowBlocks row, int count, float least, PrefixSelection selection, TokenList list)
    {
        int last = count <= Groups.Length / 8 * 7 ? selection.ByCount(Groups, count) : -1;
        if (last < 0)
        {
            return false;
        }

        Take(row, Math.Max(least, _groups[last]), count, list);
        return true;
    }

    /// <summary>Lists the tokens of at least a logit, of exactly that logit not more than some.</summary>
    /// <param name="row">The row.</param>
    /// <param name="least">The logit.</param>
    /// <param name="ties">So many tokens of exactly that logit are enough.</param>
    /// <param name="list">Receives the tokens, by id.</param>
    public void Take(RowBlocks row, float least, int ties, TokenList list)
    {
        list.Clear();
        for (int b = 0; b < _count; b++)
        {
            if (_blocks[b] >= least)
            {
                int first = list.Count;
                float from = ties > 0 ? least : float.BitIncrement(least);
                RowKernels.Collect(row[b], b * RowBlocks.Size, from, float.PositiveInfinity, list);
                if (ties < int.MaxValue)
                {
                    list.LimitTies(first, least, ref ties);
                }
            }
        }
    }

    private float LookAt(RowBlocks row, int block, ref bool hasNaN)
    {
        float max = RowKernels.Max(
            row[block], _groups.AsSpan(block * RowKernels.Lanes, RowKernels.Lanes), ref hasNaN);
        _blocks[block] = max;
        Max = Math.Max(Max, max);
        return max;
    }
}

namespace Octavo.Engine.Sampling;

/// <summary>
/// Log-probabilities from a row of logits as the model computed it. Not thread-safe: it owns scratch space for one row.
/// </summary>
/// <param name="vocabSize">Elements of a row.</param>
internal sealed class Logprobs(int vocabSize)
{
    private readonly RowScan _scan = new(vocabSize);
    private readonly double[] _masses = new double[RowBlocks.CountOf(vocabSize)];
    private readonly PrefixSelection _selection = new();
    private readonly TokenList _list = new();
    private readonly float[] _last = new float[RowBlocks.Size];
    private float _normalizer;

    /// <summary>Looks at a row, before anything else is asked about it.</summary>
    /// <exception cref="ModelOutputException">Its logits are not finite.</exception>
    public void Begin(ReadOnlySpan<float> logits, int position)
    {
        var row = new RowBlocks(logits, _last);
        _scan.Run(row, temperature: 1, _masses);
        ModelOutputException.ThrowUnlessFinite(_scan.Max, position);
        double sum = 0;
        foreach (double mass in _masses)
        {
            sum += mass;
        }

        _normalizer = _scan.Max + (float)Math.Log(sum);
    }

    /// <summary>
    /// Those of one token, and of the <paramref name="top"/> most likely (−1: all) or, where there are any, of exactly
    /// the named ones instead, each once and in the order in which they were named.
    /// </summary>
    public PositionLogprobs At(ReadOnlySpan<float> logits, int token, int top, IReadOnlyList<int>? named)
    {
        var row = new RowBlocks(logits, _last);
        if (named is { Count: > 0 })
        {
            var exactly = new List<TokenLogprob>(named.Count);
            foreach (int id in named.Distinct())
            {
                exactly.Add(Of(row, id));
            }

            return new PositionLogprobs(Of(row, token), exactly);
        }

        int count = top < 0 ? logits.Length : Math.Min(top, logits.Length);
        return new PositionLogprobs(Of(row, token), count == 0 ? [] : MostLikely(row, count));
    }

    /// <summary>Those of the named tokens.</summary>
    public float[] Of(ReadOnlySpan<float> logits, IReadOnlyList<int> tokens)
    {
        var result = new float[tokens.Count];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = logits[tokens[i]] - _normalizer;
        }

        return result;
    }

    private TokenLogprob Of(RowBlocks row, int token) =>
        new(token, row.Row[token] - _normalizer, _scan.CountAtLeast(row, row.Row[token]));

    private TokenLogprob[] MostLikely(RowBlocks row, int count)
    {
        if (!_scan.TakeLikeliest(row, count, float.MinValue, _selection, _list))
        {
            _list.Clear();
            _list.Reserve(row.Length, out Span<int> ids, out Span<float> values);
            row.Row.CopyTo(values);
            for (int i = 0; i < row.Length; i++)
            {
                ids[i] = i;
            }

            _list.Append(row.Length);
        }

        var order = new (float Logit, int Id)[_list.Count];
        for (int i = 0; i < order.Length; i++)
        {
            order[i] = (_list.Logits[i], _list.Ids[i]);
        }

        // Ties go to the lower id.
        Array.Sort(order, static (x, y) => x.Logit == y.Logit ? x.Id.CompareTo(y.Id) : y.Logit.CompareTo(x.Logit));
        var result = new TokenLogprob[count];
        for (int i = 0; i < count; i++)
        {
            result[i] = new TokenLogprob(order[i].Id, order[i].Logit - _normalizer, i + 1);
        }

        return result;
    }
}

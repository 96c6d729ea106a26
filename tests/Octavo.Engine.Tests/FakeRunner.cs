namespace Octavo.Engine.Tests;

/// <summary>
/// A model without arithmetic: the next token is a hash of all tokens before it, read back from the cache through the
/// tables of every cache group, as far as its layers attend. Were a block ever shared wrongly, freed early or written
/// twice, the continuation would be another.
/// </summary>
internal sealed class FakeRunner(
    int numBlocks, int blockSize, int vocabSize = 64, int maxTokens = 4096, IReadOnlyList<CacheGroup>? groups = null)
    : IModelRunner
{
    private readonly (int Token, int Position, int Group)[] _slots = new (int, int, int)[numBlocks * blockSize];

    public int VocabSize => vocabSize;

    /// <summary>What layers keep; the first group everything.</summary>
    public IReadOnlyList<CacheGroup> CacheGroups { get; } = groups ?? CacheGroup.Everything;

    public int NumBlocks => numBlocks;

    public int BlockSize => blockSize;

    public int MaxNumBatchedTokens => maxTokens;

    public IWorkTeam Team => CallerOnly.Instance;

    public StepWork Work => default;

    /// <summary>Looks at each batch before it runs.</summary>
    public Action<StepBatch>? Observe { get; set; }

    /// <summary>What the next <see cref="Run"/> throws.</summary>
    public Exception? Failure { get; set; }

    public int Runs { get; private set; }

    public bool Disposed { get; private set; }

    /// <summary>The token that follows a history.</summary>
    public static int Next(ReadOnlySpan<int> history, int vocabSize)
    {
        uint hash = 2166136261;
        foreach (int token in history)
        {
            hash = (hash ^ (uint)token) * 16777619;
        }

        return (int)((hash >> 8) % (uint)vocabSize);
    }

    public void Run(StepBatch batch, Span<float> logits)
    {
        if (Failure is { } failure)
        {
            throw failure;
        }

        Runs++;
        Observe?.Invoke(batch);
        for (int group = 0; group < CacheGroups.Count; group++)
        {
            for (int i = 0; i < batch.NumTokens; i++)
            {
                _slots[batch.SlotMapping(group)[i]] = (batch.TokenIds[i], batch.Positions[i], group);
            }
        }

        int row = 0;
        for (int s = 0; s < batch.NumSequences; s++)
        {
            for (int i = batch.QueryStarts[s]; i < batch.QueryStarts[s + 1]; i++)
            {
                int[] history = ReadHistory(batch, s, batch.Positions[i]);
                if (row < batch.LogitsRows.Length && batch.LogitsRows[row] == i)
                {
                    FillRow(history, logits.Slice(row++ * vocabSize, vocabSize));
                }
            }
        }

        row.ShouldBe(batch.LogitsRows.Length);
    }

    public void Dispose() => Disposed = true;

    // The tokens up to a position, as each group's layers find them.
    private int[] ReadHistory(StepBatch batch, int sequence, int position)
    {
        var history = new int[position + 1];
        for (int group = 0; group < CacheGroups.Count; group++)
        {
            ReadOnlySpan<int> table = batch.BlockTable(sequence, group);
            for (int p = CacheGroups[group].FirstNeeded(position); p <= position; p++)
            {
                (int token, int at, int of) = _slots[(table[p / blockSize] * blockSize) + (p % blockSize)];
                if ((at, of) != (p, group) || (group > 0 && token != history[p]))
                {
                    throw new InvalidOperationException(
                        $"group {group} finds token {token} of position {at} in group {of} at position {p}");
                }

                history[p] = token;
            }
        }

        return history;
    }

    private void FillRow(ReadOnlySpan<int> history, Span<float> row)
    {
        // The hash's token leads, its neighbours follow, so that top-k and penalties have something to choose from.
        int next = Next(history, vocabSize);
        for (int i = 0; i < vocabSize; i++)
        {
            row[i] = -0.5f * ((i - next + vocabSize) % vocabSize);
        }
    }
}

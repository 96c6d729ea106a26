namespace Octavo.Engine.Tests;

/// <summary>
/// A model without arithmetic: the next token is a hash of all tokens before it, read back from the cache through the
/// block table. Were a block ever shared wrongly, freed early or written twice, the continuation would be another.
/// </summary>
internal sealed class FakeRunner(int numBlocks, int blockSize, int vocabSize = 64, int maxTokens = 4096) : IModelRunner
{
    private readonly (int Token, int Position)[] _slots = new (int, int)[numBlocks * blockSize];

    public int VocabSize => vocabSize;

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
        for (int i = 0; i < batch.NumTokens; i++)
        {
            _slots[batch.SlotMapping[i]] = (batch.TokenIds[i], batch.Positions[i]);
        }

        int row = 0;
        for (int s = 0; s < batch.NumSequences; s++)
        {
            for (int i = batch.QueryStarts[s]; i < batch.QueryStarts[s + 1]; i++)
            {
                if (row < batch.LogitsRows.Length && batch.LogitsRows[row] == i)
                {
                    FillRow(batch.BlockTable(s), batch.Positions[i], logits.Slice(row++ * vocabSize, vocabSize));
                }
            }
        }

        row.ShouldBe(batch.LogitsRows.Length);
    }

    public void Dispose() => Disposed = true;

    private void FillRow(ReadOnlySpan<int> table, int position, Span<float> row)
    {
        var history = new int[position + 1];
        for (int p = 0; p <= position; p++)
        {
            (int token, int at) = _slots[(table[p / blockSize] * blockSize) + (p % blockSize)];
            at.ShouldBe(p, "a slot holds the key of another position");
            history[p] = token;
        }

        // The hash's token leads, its neighbours follow, so that top-k and penalties have something to choose from.
        int next = Next(history, vocabSize);
        for (int i = 0; i < vocabSize; i++)
        {
            row[i] = -0.5f * ((i - next + vocabSize) % vocabSize);
        }
    }
}

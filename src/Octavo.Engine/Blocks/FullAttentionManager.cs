using Octavo.Engine.Sequences;

namespace Octavo.Engine.Blocks;

/// <summary>
/// The blocks of layers that attend to everything: a sequence keeps all of its own to its end, and a prefix is found by
/// its leading blocks.
/// </summary>
internal sealed class FullAttentionManager(BlockPool pool)
{
    /// <summary>How many leading blocks of a sequence the prefix cache holds.</summary>
    /// <param name="sequence">A sequence without blocks.</param>
    /// <param name="most">No more than so many are looked for.</param>
    /// <param name="inFreeQueue">How many of them nobody holds, so that they take free blocks all the same.</param>
    public int CountCached(Sequence sequence, int most, out int inFreeQueue)
    {
        inFreeQueue = 0;
        sequence.HashBlocks(most, pool.BlockSize);
        for (int i = 0; i < most; i++)
        {
            if (!pool.TryFind(sequence.Hashes[i], out int block))
            {
                return i;
            }

            inFreeQueue += pool.References(block) == 0 ? 1 : 0;
        }

        return most;
    }

    /// <summary>Blocks that a sequence lacks to hold so many tokens.</summary>
    public int CountMissing(Sequence sequence, int numTokens) => BlocksFor(numTokens) - sequence.Table.Blocks.Count;

    /// <summary>Lets a sequence hold so many leading blocks that <see cref="CountCached"/> has found.</summary>
    public void Share(Sequence sequence, int count)
    {
        for (int i = 0; i < count; i++)
        {
            pool.TryFind(sequence.Hashes[i], out int block);
            pool.Hold(block);
            sequence.Table.Blocks.Add(block);
        }
    }

    /// <summary>Takes the blocks that a sequence lacks to hold so many tokens.</summary>
    public void Grow(Sequence sequence, int numTokens)
    {
        for (int missing = CountMissing(sequence, numTokens); missing > 0; missing--)
        {
            sequence.Table.Blocks.Add(pool.Take());
        }
    }

    /// <summary>Makes the full blocks of a sequence's first tokens findable.</summary>
    public void Publish(Sequence sequence, int numTokens)
    {
        BlockTable table = sequence.Table;
        int full = numTokens / pool.BlockSize;
        sequence.HashBlocks(full, pool.BlockSize);
        for (; table.NumPublished < full; table.NumPublished++)
        {
            pool.Publish(table.Blocks[table.NumPublished], sequence.Hashes[table.NumPublished]);
        }
    }

    /// <summary>Blocks that nobody but this sequence holds.</summary>
    public int CountSole(Sequence sequence)
    {
        int sole = 0;
        foreach (int block in sequence.Table.Blocks)
        {
            sole += pool.References(block) == 1 ? 1 : 0;
        }

        return sole;
    }

    /// <summary>Takes all blocks from a sequence; their content stays findable until it is overwritten.</summary>
    public void Release(Sequence sequence)
    {
        pool.Release(sequence.Table.Blocks);
        sequence.Table.NumPublished = 0;
    }

    private int BlocksFor(int tokens) => (tokens + pool.BlockSize - 1) / pool.BlockSize;
}

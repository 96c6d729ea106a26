using Octavo.Engine.Sequences;

namespace Octavo.Engine.Blocks;

/// <summary>
/// The blocks of one cache group: a sequence keeps all of its own to its end, or those that a window still reaches.
/// </summary>
/// <param name="pool">All blocks.</param>
/// <param name="number">The group's place among the others.</param>
/// <param name="group">What it keeps.</param>
/// <param name="longestChunk">The most tokens of a sequence that a step computes.</param>
internal sealed class CacheGroupManager(BlockPool pool, int number, CacheGroup group, int longestChunk)
{
    /// <summary>
    /// How many leading blocks of a sequence need not be computed: the most of which the prefix cache holds all that
    /// what follows attends to.
    /// </summary>
    /// <param name="sequence">A sequence without blocks, whose hashes are known so far.</param>
    /// <param name="most">No more than so many.</param>
    public int LongestHit(Sequence sequence, int most)
    {
        int hit = most;
        int needed = FirstNeeded(hit);
        for (int i = most - 1; i >= needed; i--)
        {
            if (!pool.TryFind(Key(sequence, i), out _))
            {
                (hit, needed) = (i, FirstNeeded(i));
            }
        }

        return hit;
    }

    /// <summary>Blocks of a hit that nobody holds, so that they take free blocks all the same.</summary>
    public int CountInFreeQueue(Sequence sequence, int hit)
    {
        int count = 0;
        for (int i = FirstNeeded(hit); i < hit; i++)
        {
            pool.TryFind(Key(sequence, i), out int block);
            count += pool.References(block) == 0 ? 1 : 0;
        }

        return count;
    }

    /// <summary>The most blocks beside a hit's that a sequence takes until all its tokens are computed.</summary>
    public int CountBeside(Sequence sequence, int hit)
    {
        int first = FirstNeeded(hit);
        int most = group.MostBlocks(sequence.NumTokens, pool.BlockSize, longestChunk);
        return Math.Max(0, Math.Min(BlocksFor(sequence.NumTokens) - first, most) - (hit - first));
    }

    /// <summary>Blocks that a sequence lacks to hold so many tokens.</summary>
    public int CountMissing(Sequence sequence, int numTokens) => BlocksFor(numTokens) - TableOf(sequence).Blocks.Count;

    /// <summary>Lets a sequence hold what a hit needs.</summary>
    public void Share(Sequence sequence, int hit)
    {
        BlockTable table = TableOf(sequence);
        table.FirstHeld = FirstNeeded(hit);
        for (int i = 0; i < hit; i++)
        {
            int block = BlockTable.None;
            if (i >= table.FirstHeld)
            {
                pool.TryFind(Key(sequence, i), out block);
                pool.Hold(block);
            }

            table.Blocks.Add(block);
        }
    }

    /// <summary>Takes the blocks that a sequence lacks to hold so many tokens.</summary>
    public void Grow(Sequence sequence, int numTokens)
    {
        for (int missing = CountMissing(sequence, numTokens); missing > 0; missing--)
        {
            TableOf(sequence).Blocks.Add(pool.Take());
        }
    }

    /// <summary>Gives back what no token from a position on attends to.</summary>
    public void Trim(Sequence sequence, int position)
    {
        BlockTable table = TableOf(sequence);
        for (int needed = group.FirstNeeded(position) / pool.BlockSize; table.FirstHeld < needed; table.FirstHeld++)
        {
            pool.Release(table.Blocks[table.FirstHeld]);
            table.Blocks[table.FirstHeld] = BlockTable.None;
        }
    }

    /// <summary>Makes the full blocks of a sequence's first tokens findable; their hashes are known.</summary>
    public void Publish(Sequence sequence, int full)
    {
        BlockTable table = TableOf(sequence);
        for (; table.NumPublished < full; table.NumPublished++)
        {
            if (table.NumPublished >= table.FirstHeld)
            {
                pool.Publish(table.Blocks[table.NumPublished], Key(sequence, table.NumPublished));
            }
        }
    }

    /// <summary>Blocks that nobody but this sequence holds.</summary>
    public int CountSole(Sequence sequence)
    {
        int sole = 0;
        BlockTable table = TableOf(sequence);
        for (int i = table.FirstHeld; i < table.Blocks.Count; i++)
        {
            sole += pool.References(table.Blocks[i]) == 1 ? 1 : 0;
        }

        return sole;
    }

    /// <summary>Takes all blocks from a sequence; their content stays findable until it is overwritten.</summary>
    public void Release(Sequence sequence)
    {
        BlockTable table = TableOf(sequence);
        pool.Release(table.Blocks);
        (table.NumPublished, table.FirstHeld) = (0, 0);
    }

    private BlockTable TableOf(Sequence sequence) => sequence.Tables[number];

    private BlockKey Key(Sequence sequence, int block) => new(sequence.Hashes[block], number);

    private int FirstNeeded(int blocks) => group.FirstNeeded(blocks * pool.BlockSize) / pool.BlockSize;

    private int BlocksFor(int tokens) => (tokens + pool.BlockSize - 1) / pool.BlockSize;
}

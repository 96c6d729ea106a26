using Octavo.Engine.Sequences;

namespace Octavo.Engine.Blocks;

/// <summary>
/// Gives sequences their blocks. It hides the pool from the scheduler, which knows only whether there is room.
/// </summary>
internal sealed class KvCacheManager(BlockPool pool, bool enablePrefixCaching, double watermark = 0)
{
    private readonly int _watermarkBlocks = (int)Math.Ceiling(watermark * pool.Count);

    public BlockPool Pool => pool;

    /// <summary>Tokens looked up in the prefix cache, and found there, since the start.</summary>
    public long PrefixQueries { get; private set; }

    public long PrefixHits { get; private set; }

    /// <summary>
    /// Admits a waiting request: it takes over the cached blocks of its prefix and room for the tokens that
    /// <paramref name="chunk"/> names after them. Nothing changes unless its whole sequence would fit now; where other
    /// requests run in this step, some blocks are kept for their growth.
    /// </summary>
    /// <param name="sequence">A request without blocks.</param>
    /// <param name="chunk">How many tokens this step takes, once the cached ones are known.</param>
    /// <param name="keepWatermark">Keep the watermark's blocks free.</param>
    /// <returns>False where there is no room.</returns>
    public bool TryAdmit(Sequence sequence, Func<Sequence, int> chunk, bool keepWatermark)
    {
        int hitBlocks = CountCachedBlocks(sequence, out int hitsInFreeQueue);
        int needed = BlocksFor(sequence.NumTokens) - hitBlocks;
        int reserve = keepWatermark ? _watermarkBlocks : 0;
        if (needed + hitsInFreeQueue + reserve > pool.FreeCount)
        {
            return false;
        }

        for (int i = 0; i < hitBlocks; i++)
        {
            pool.TryFind(sequence.Hashes[i], out int block);
            pool.Hold(block);
            sequence.Blocks.Add(block);
        }

        sequence.NumComputedTokens = hitBlocks * pool.BlockSize;
        if (sequence.NumPreemptions == 0)
        {
            sequence.NumCachedTokens = sequence.NumComputedTokens;
            PrefixQueries += ReadsCache(sequence) ? sequence.NumTokens : 0;
            PrefixHits += sequence.NumComputedTokens;
        }

        Grow(sequence, chunk(sequence));
        return true;
    }

    /// <summary>Makes room for a running request's next tokens; false where there is none, and nothing has changed.</summary>
    public bool TryGrow(Sequence sequence, int numTokens)
    {
        if (BlocksFor(sequence.NumComputedTokens + numTokens) - sequence.Blocks.Count > pool.FreeCount)
        {
            return false;
        }

        Grow(sequence, numTokens);
        return true;
    }

    /// <summary>Blocks that must become free before a running request can grow so far.</summary>
    public int CountMissing(Sequence sequence, int numTokens) =>
        BlocksFor(sequence.NumComputedTokens + numTokens) - sequence.Blocks.Count - pool.FreeCount;

    /// <summary>Blocks that nobody but this request holds: what its preemption frees, and what it would compute again.</summary>
    public int CountSole(Sequence sequence)
    {
        int sole = 0;
        foreach (int block in sequence.Blocks)
        {
            sole += pool.References(block) == 1 ? 1 : 0;
        }

        return sole;
    }

    /// <summary>Takes all blocks from a request; their content stays findable until it is overwritten.</summary>
    public void Release(Sequence sequence)
    {
        pool.Release(sequence.Blocks);
        sequence.NumPublishedBlocks = 0;
    }

    private void Grow(Sequence sequence, int numTokens)
    {
        int total = sequence.NumComputedTokens + numTokens;
        for (int missing = BlocksFor(total) - sequence.Blocks.Count; missing > 0; missing--)
        {
            sequence.Blocks.Add(pool.Take());
        }

        // Blocks that this step fills are findable at once: in every layer a runner writes the keys and values of all
        // tokens of a step before it reads any, so a request admitted later in the same step may already share them.
        // That is safe only because nothing scheduled is ever taken out of its step again.
        int full = total / pool.BlockSize;
        sequence.HashBlocks(full, pool.BlockSize);
        for (int i = sequence.NumPublishedBlocks; i < full; i++)
        {
            if (Caches(sequence))
            {
                pool.Publish(sequence.Blocks[i], sequence.Hashes[i]);
            }
        }

        sequence.NumPublishedBlocks = full;
    }

    private int CountCachedBlocks(Sequence sequence, out int inFreeQueue)
    {
        inFreeQueue = 0;
        if (!ReadsCache(sequence))
        {
            return 0;
        }

        // The last token is always computed, for its logits.
        int most = (sequence.NumTokens - 1) / pool.BlockSize;
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

    private bool Caches(Sequence sequence) => enablePrefixCaching || sequence.SharesPromptWithSiblings;

    private bool ReadsCache(Sequence sequence) => Caches(sequence) && !sequence.SkipReadingPrefixCache;

    private int BlocksFor(int tokens) => (tokens + pool.BlockSize - 1) / pool.BlockSize;
}

using Octavo.Engine.Sequences;

namespace Octavo.Engine.Blocks;

/// <summary>
/// Gives sequences their blocks. It hides the pool from the scheduler, which knows only whether there is room, and
/// makes one answer of what the manager of each cache group says.
/// </summary>
/// <param name="pool">All blocks.</param>
/// <param name="groups">What layers keep.</param>
/// <param name="enablePrefixCaching">Whether requests share the blocks of equal prefixes.</param>
/// <param name="longestChunk">The most tokens of a sequence that a step computes.</param>
/// <param name="watermark">The part of the blocks that admission leaves to the growth of what runs.</param>
internal sealed class KvCacheManager(
    BlockPool pool, IReadOnlyList<CacheGroup> groups, bool enablePrefixCaching, int longestChunk, double watermark = 0)
{
    private readonly CacheGroupManager[] _groups =
        [.. groups.Select((group, number) => new CacheGroupManager(pool, number, group, longestChunk))];

    private readonly int _watermarkBlocks = (int)Math.Ceiling(watermark * pool.Count);

    public BlockPool Pool => pool;

    /// <summary>Tokens looked up in the prefix cache, and found there, since the start.</summary>
    public long PrefixQueries { get; private set; }

    public long PrefixHits { get; private set; }

    /// <summary>
    /// Admits a waiting sequence: it takes over the cached blocks of its prefix and room for the tokens that
    /// <paramref name="chunk"/> names after them. Nothing changes unless all of it would fit now; where other sequences
    /// run in this step, some blocks are kept for their growth.
    /// </summary>
    /// <param name="sequence">A sequence without blocks.</param>
    /// <param name="chunk">How many tokens this step takes, once the cached ones are known.</param>
    /// <param name="keepWatermark">Keep the watermark's blocks free.</param>
    /// <returns>False where there is no room.</returns>
    public bool TryAdmit(Sequence sequence, Func<Sequence, int> chunk, bool keepWatermark)
    {
        // The last token is always computed, for its logits.
        int most = ReadsCache(sequence) ? (sequence.NumTokens - 1) / pool.BlockSize : 0;
        int hitBlocks = LongestHit(sequence, most);
        long needed = keepWatermark ? _watermarkBlocks : 0;
        foreach (CacheGroupManager group in _groups)
        {
            needed += group.CountBeside(sequence, hitBlocks) + group.CountInFreeQueue(sequence, hitBlocks);
        }

        if (needed > pool.FreeCount)
        {
            return false;
        }

        while (sequence.Tables.Count < _groups.Length)
        {
            sequence.Tables.Add(new BlockTable());
        }

        foreach (CacheGroupManager group in _groups)
        {
            group.Share(sequence, hitBlocks);
        }

        sequence.NumScheduledTokens = hitBlocks * pool.BlockSize;
        if (sequence.NumPreemptions == 0)
        {
            sequence.NumCachedTokens = sequence.NumScheduledTokens;
            PrefixQueries += ReadsCache(sequence) ? sequence.NumTokens : 0;
            PrefixHits += sequence.NumScheduledTokens;
        }

        Grow(sequence, chunk(sequence));
        return true;
    }

    /// <summary>Makes room for a running sequence's next tokens; false where there is none, without a change.</summary>
    public bool TryGrow(Sequence sequence, int numTokens)
    {
        if (CountMissing(sequence, numTokens) > 0)
        {
            return false;
        }

        Grow(sequence, numTokens);
        return true;
    }

    /// <summary>Blocks that must become free before a running sequence can grow so far.</summary>
    public int CountMissing(Sequence sequence, int numTokens)
    {
        int missing = -pool.FreeCount;
        foreach (CacheGroupManager group in _groups)
        {
            missing += group.CountMissing(sequence, sequence.NumScheduledTokens + numTokens);
        }

        return missing;
    }

    /// <summary>
    /// A step that had tokens of a sequence is over: publishes what its newly accepted tokens have filled, and takes
    /// back what no token after them attends to.
    /// </summary>
    public void Accept(Sequence sequence)
    {
        Publish(sequence, sequence.NumScheduledTokens);
        foreach (CacheGroupManager group in _groups)
        {
            group.Trim(sequence, sequence.NumScheduledTokens);
        }
    }

    /// <summary>
    /// Blocks that nobody but this sequence holds: what its preemption frees, and what it would compute again.
    /// </summary>
    public int CountSole(Sequence sequence)
    {
        int sole = 0;
        foreach (CacheGroupManager group in _groups)
        {
            sole += group.CountSole(sequence);
        }

        return sole;
    }

    /// <summary>Takes all blocks from a sequence; their content stays findable until it is overwritten.</summary>
    public void Release(Sequence sequence)
    {
        for (int i = 0; i < sequence.Tables.Count; i++)
        {
            _groups[i].Release(sequence);
        }
    }

    // Every group may want less than the one before it; none of them wants more again.
    private int LongestHit(Sequence sequence, int most)
    {
        sequence.HashBlocks(most, pool.BlockSize);
        for (int hit = most; ; most = hit)
        {
            foreach (CacheGroupManager group in _groups)
            {
                hit = group.LongestHit(sequence, hit);
            }

            if (hit == most)
            {
                return hit;
            }
        }
    }

    private void Grow(Sequence sequence, int numTokens)
    {
        int scheduled = sequence.NumScheduledTokens + numTokens;
        foreach (CacheGroupManager group in _groups)
        {
            group.Grow(sequence, scheduled);
        }

        Publish(sequence, scheduled);
    }

    // Accepted tokens are findable as soon as they are scheduled: in every layer a runner writes the keys and values of
    // all tokens of a step before it reads any, so a sequence admitted later in the same step may already share them.
    // That is safe only because nothing scheduled is ever taken out of its step again. What a step may still take back,
    // nobody finds.
    private void Publish(Sequence sequence, int scheduled)
    {
        if (Caches(sequence))
        {
            int full = Math.Min(scheduled, sequence.NumAcceptedTokens) / pool.BlockSize;
            sequence.HashBlocks(full, pool.BlockSize);
            foreach (CacheGroupManager group in _groups)
            {
                group.Publish(sequence, full);
            }
        }
    }

    private bool Caches(Sequence sequence) => enablePrefixCaching || sequence.SharesPromptWithSiblings;

    private bool ReadsCache(Sequence sequence) => Caches(sequence) && !sequence.SkipReadingPrefixCache;
}

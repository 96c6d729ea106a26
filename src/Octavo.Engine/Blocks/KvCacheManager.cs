using Octavo.Engine.Sequences;

namespace Octavo.Engine.Blocks;

/// <summary>
/// Gives sequences their blocks. It hides the pool from the scheduler, which knows only whether there is room, and
/// makes one answer of what the manager of each kind of cache says; today there is one kind.
/// </summary>
internal sealed class KvCacheManager(BlockPool pool, bool enablePrefixCaching, double watermark = 0)
{
    private readonly FullAttentionManager _attention = new(pool);
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
        int hitBlocks = _attention.CountCached(sequence, most, out int hitsInFreeQueue);
        int needed = _attention.CountMissing(sequence, sequence.NumTokens) - hitBlocks;
        int reserve = keepWatermark ? _watermarkBlocks : 0;
        if (needed + hitsInFreeQueue + reserve > pool.FreeCount)
        {
            return false;
        }

        _attention.Share(sequence, hitBlocks);
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
    public int CountMissing(Sequence sequence, int numTokens) =>
        _attention.CountMissing(sequence, sequence.NumScheduledTokens + numTokens) - pool.FreeCount;

    /// <summary>Publishes what a sequence's newly accepted tokens have filled.</summary>
    public void PublishAccepted(Sequence sequence) => Publish(sequence, sequence.NumScheduledTokens);

    /// <summary>
    /// Blocks that nobody but this sequence holds: what its preemption frees, and what it would compute again.
    /// </summary>
    public int CountSole(Sequence sequence) => _attention.CountSole(sequence);

    /// <summary>Takes all blocks from a sequence; their content stays findable until it is overwritten.</summary>
    public void Release(Sequence sequence) => _attention.Release(sequence);

    private void Grow(Sequence sequence, int numTokens)
    {
        int scheduled = sequence.NumScheduledTokens + numTokens;
        _attention.Grow(sequence, scheduled);
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
            _attention.Publish(sequence, Math.Min(scheduled, sequence.NumAcceptedTokens));
        }
    }

    private bool Caches(Sequence sequence) => enablePrefixCaching || sequence.SharesPromptWithSiblings;

    private bool ReadsCache(Sequence sequence) => Caches(sequence) && !sequence.SkipReadingPrefixCache;
}

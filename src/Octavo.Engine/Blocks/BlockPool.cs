using Octavo.Engine.Sequences;

namespace Octavo.Engine.Blocks;

/// <summary>What a block holds: tokens, in the layers of a cache group.</summary>
internal readonly record struct BlockKey(BlockHash Hash, int Group);

/// <summary>
/// Who holds which block of the key-value cache. A block is held by its reference count, or stands in the free queue;
/// a free block keeps its content and name until it is taken for new use, so a later request can have it back.
/// The queue's head is the least recently used block.
/// </summary>
internal sealed class BlockPool
{
    private const int None = -1;

    private readonly int[] _references;
    private readonly BlockKey[] _keys;
    private readonly bool[] _isFindable;                   // block -> it is the map's entry for its key
    private readonly int[] _next;                          // free queue, intrusive; index Count is the sentinel
    private readonly int[] _previous;
    private readonly Dictionary<BlockKey, int> _cached;    // key -> block that holds its content

    public BlockPool(int count, int blockSize)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blockSize);
        (Count, BlockSize, FreeCount) = (count, blockSize, count);
        (_references, _keys, _isFindable) = (new int[count], new BlockKey[count], new bool[count]);
        (_next, _previous) = (new int[count + 1], new int[count + 1]);
        _cached = [];
        for (int i = 0; i <= count; i++)
        {
            (_next[i], _previous[i]) = (i == count ? 0 : i + 1, i == 0 ? count : i - 1);
        }
    }

    /// <summary>All blocks.</summary>
    public int Count { get; }

    /// <summary>Tokens a block.</summary>
    public int BlockSize { get; }

    /// <summary>Blocks that nobody holds.</summary>
    public int FreeCount { get; private set; }

    /// <summary>The fraction of blocks that somebody holds, 0 to 1.</summary>
    public double Usage => 1.0 - ((double)FreeCount / Count);

    public int References(int block) => _references[block];

    /// <summary>Takes the least recently used free block and forgets what it held.</summary>
    public int Take()
    {
        int block = _next[Count];
        if (block == Count)
        {
            throw new InvalidOperationException("no free block: the caller must ask FreeCount first");
        }

        Unlink(block);
        Forget(block);
        _references[block] = 1;
        return block;
    }

    /// <summary>The block of this content.</summary>
    public bool TryFind(BlockKey key, out int block) => _cached.TryGetValue(key, out block);

    /// <summary>Holds a block once more, taking it out of the free queue where nobody held it.</summary>
    public void Hold(int block)
    {
        if (_references[block]++ == 0)
        {
            Unlink(block);
        }
    }

    /// <summary>
    /// Lets a sequence's blocks go, last first, so that among equally old ones the tail is reused first.
    /// </summary>
    public void Release(List<int> blocks)
    {
        for (int i = blocks.Count - 1; i >= 0; i--)
        {
            if (blocks[i] != BlockTable.None)
            {
                Release(blocks[i]);
            }
        }

        blocks.Clear();
    }

    /// <summary>Lets one block go.</summary>
    public void Release(int block)
    {
        if (--_references[block] == 0)
        {
            Append(block);
        }
    }

    /// <summary>Makes a full block findable. Where an equal block is findable already, that one stays.</summary>
    public void Publish(int block, BlockKey key)
    {
        if (!_isFindable[block] && _cached.TryAdd(key, block))
        {
            (_keys[block], _isFindable[block]) = (key, true);
        }
    }

    /// <summary>Forgets all cached content; possible only while nobody holds a block.</summary>
    public bool TryReset()
    {
        if (FreeCount != Count)
        {
            return false;
        }

        _cached.Clear();
        Array.Clear(_isFindable);
        return true;
    }

    /// <summary>
    /// Throws unless every block is either free or held exactly as often as <paramref name="holders"/> say.
    /// </summary>
    public void CheckIntegrity(IEnumerable<IReadOnlyList<int>> holders)
    {
        var expected = new int[Count];
        foreach (int block in holders.SelectMany(h => h).Where(b => b != BlockTable.None))
        {
            expected[block]++;
        }

        for (int i = 0; i < Count; i++)
        {
            Require(
                _references[i] == expected[i], $"block {i} has {_references[i]} references and {expected[i]} holders");
            Require(
                !_isFindable[i] || (_cached.TryGetValue(_keys[i], out int b) && b == i),
                $"block {i} is not the entry of its key");
        }

        int free = 0;
        for (int i = _next[Count]; i != Count; i = _next[i], free++)
        {
            Require(
                free < Count && _references[i] == 0,
                $"block {i} is in the free queue and held, or the queue has a loop");
            Require(_previous[_next[i]] == i, $"the free queue is torn behind block {i}");
        }

        Require(free == FreeCount, $"{free} blocks in the free queue, {FreeCount} counted");
        Require(free == expected.Count(e => e == 0), "a block is neither free nor held");
        Require(_cached.Count == _isFindable.Count(h => h), "the map and the blocks disagree");

        static void Require(bool holds, string message)
        {
            if (!holds)
            {
                throw new InvalidOperationException("block pool: " + message);
            }
        }
    }

    private void Forget(int block)
    {
        if (_isFindable[block])
        {
            _cached.Remove(_keys[block]);
            _isFindable[block] = false;
        }
    }

    private void Unlink(int block)
    {
        _next[_previous[block]] = _next[block];
        _previous[_next[block]] = _previous[block];
        _next[block] = _previous[block] = None;
        FreeCount--;
    }

    private void Append(int block)
    {
        int last = _previous[Count];
        (_next[last], _previous[block]) = (block, last);
        (_next[block], _previous[Count]) = (Count, block);
        FreeCount++;
    }
}

using System.Numerics;

namespace Octavo.Text.Bpe;

/// <summary>
/// Which pairs of tokens merge: (left, right) → (rank, merged id). An open-addressed hash table over packed keys,
/// at most half full, because this lookup is the inner loop of encoding.
/// </summary>
internal sealed class MergeTable
{
    private const long Empty = -1;

    // Key: left id in the upper half, right id in the lower. Value: rank in the upper half, merged id in the lower.
    // Side by side, so that a lookup waits for memory once.
    private readonly (long Key, long Value)[] _entries;
    private readonly int _mask;
    private readonly int _shift;

    public MergeTable(int capacity)
    {
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, capacity * 2));
        _entries = new (long, long)[size];
        _mask = size - 1;
        _shift = 64 - BitOperations.Log2((uint)size);
        Array.Fill(_entries, (Empty, 0));
    }

    /// <summary>Adds a merge; a pair that is listed twice keeps its last rank.</summary>
    public void Set(int left, int right, int rank, int merged)
    {
        long key = Pack(left, right);
        int slot = Slot(key);
        while (_entries[slot].Key != Empty && _entries[slot].Key != key)
        {
            slot = (slot + 1) & _mask;
        }

        _entries[slot] = (key, Pack(rank, merged));
    }

    /// <summary>The rank of a pair's merge, or <see cref="int.MaxValue"/> where it does not merge.</summary>
    public int Find(int left, int right, out int merged)
    {
        long key = Pack(left, right);
        int slot = Slot(key);
        while (true)
        {
            (long found, long value) = _entries[slot];
            if (found == key)
            {
                merged = (int)value;
                return (int)(value >> 32);
            }

            if (found == Empty)
            {
                merged = -1;
                return int.MaxValue;
            }

            slot = (slot + 1) & _mask;
        }
    }

    private static long Pack(int high, int low) => ((long)high << 32) | (uint)low;

    // Fibonacci hashing: the multiplier is 2^64 over the golden ratio.
    private int Slot(long key) => (int)(((ulong)key * 0x9E3779B97F4A7C15UL) >> _shift);
}

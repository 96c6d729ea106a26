using System.Runtime.CompilerServices;

namespace Octavo.Text.Bpe;

/// <summary>
/// The least of many numbers, again and again: a heap in which each has four children, so that a way down touches half
/// as many cache lines as with two. Compiled at once to its best: a text of one long word would be done before the
/// runtime had found it worth that.
/// </summary>
/// <param name="capacity">How many it holds before it has to grow.</param>
internal struct CandidateHeap(int capacity)
{
    private const int Children = 4;

    private long[] _items = new long[Math.Max(capacity, Children)];
    private int _count;

    /// <summary>Takes one in before <see cref="Order"/>: at the end, wherever it belongs.</summary>
    public void AddUnordered(long item)
    {
        EnsureRoom();
        _items[_count++] = item;
    }

    /// <summary>Puts what was added in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Order()
    {
        for (int i = (_count - 2) / Children; i >= 0; i--)
        {
            SinkFrom(i, _items[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Push(long item)
    {
        EnsureRoom();
        long[] items = _items;
        int at = _count++;
        while (at > 0)
        {
            int parent = (at - 1) / Children;
            if (items[parent] <= item)
            {
                break;
            }

            items[at] = items[parent];
            at = parent;
        }

        items[at] = item;
    }

    /// <summary>Takes the least out; false where there is none.</summary>
    public bool TryPop(out long item)
    {
        if (_count == 0)
        {
            item = 0;
            return false;
        }

        item = _items[0];
        _count--;
        if (_count > 0)
        {
            SinkFrom(0, _items[_count]);
        }

        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void SinkFrom(int at, long item)
    {
        long[] items = _items;
        int count = _count;
        while (true)
        {
            int child = (at * Children) + 1;
            if (child >= count)
            {
                break;
            }

            int end = Math.Min(child + Children, count);
            int least = child;
            for (int i = child + 1; i < end; i++)
            {
                least = items[i] < items[least] ? i : least;
            }

            if (items[least] >= item)
            {
                break;
            }

            items[at] = items[least];
            at = least;
        }

        items[at] = item;
    }

    private void EnsureRoom()
    {
        if (_count == _items.Length)
        {
            Array.Resize(ref _items, _count * 2);
        }
    }
}

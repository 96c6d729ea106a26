namespace Octavo.Text.Bpe;

/// <summary>
/// The same merging for long words in O(n log n): a heap of candidate pairs over a linked list of symbols.
/// </summary>
internal static class BpeHeapMerge
{
    private const int Gone = -1;

    /// <summary>Merges in place and returns how many symbols remain.</summary>
    public static int Merge(Span<int> symbols, MergeTable merges)
    {
        int count = symbols.Length;
        int[] previous = new int[count];
        int[] next = new int[count];

        // A candidate is the pair that starts at a position; its priority is the rank, then the position, in one
        // number, which compares faster than a pair. Candidates are not removed when a neighbour merges: a popped one
        // whose pair has another rank by now is stale.
        PriorityQueue<int, long> candidates = new(count);
        for (int i = 0; i < count; i++)
        {
            previous[i] = i - 1;
            next[i] = i + 1;
            if (i + 1 < count)
            {
                Consider(candidates, merges, symbols, i, i + 1);
            }
        }

        while (candidates.TryDequeue(out int left, out long priority))
        {
            if (symbols[left] == Gone || next[left] == count)
            {
                continue;
            }

            int right = next[left];
            if (merges.Find(symbols[left], symbols[right], out int merged) != (int)(priority >> 32))
            {
                continue;
            }

            symbols[left] = merged;
            symbols[right] = Gone;
            next[left] = next[right];
            if (next[left] < count)
            {
                previous[next[left]] = left;
                Consider(candidates, merges, symbols, left, next[left]);
            }

            if (previous[left] >= 0)
            {
                Consider(candidates, merges, symbols, previous[left], left);
            }
        }

        int kept = 0;
        for (int i = 0; i < count; i = next[i])
        {
            symbols[kept] = symbols[i];
            kept++;
        }

        return kept;
    }

    private static void Consider(
        PriorityQueue<int, long> candidates,
        MergeTable merges,
        ReadOnlySpan<int> symbols,
        int left,
        int right)
    {
        int rank = merges.Find(symbols[left], symbols[right], out _);
        if (rank != int.MaxValue)
        {
            candidates.Enqueue(left, ((long)rank << 32) | (uint)left);
        }
    }
}

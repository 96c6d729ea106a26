using System.Runtime.CompilerServices;

namespace Octavo.Text.Bpe;

/// <summary>
/// The same merging for long words in O(n log n): a heap of candidate pairs over a linked list of symbols.
/// </summary>
internal static class BpeHeapMerge
{
    private const int Gone = -1;
    private const long None = -1;

    /// <summary>Merges in place and returns how many symbols remain.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Merge(Span<int> symbols, MergeTable merges)
    {
        int count = symbols.Length;
        int[] previous = new int[count];
        int[] next = new int[count];

        // A candidate is the pair that starts at a position; its priority is the rank, then the position, in one
        // number, which compares faster than a pair. Candidates are not removed when a neighbour merges: a popped one
        // whose pair has another rank by now is stale.
        CandidateHeap candidates = new(count);
        for (int i = 0; i < count; i++)
        {
            previous[i] = i - 1;
            next[i] = i + 1;
            if (i + 1 < count && CandidateAt(merges, symbols, i, i + 1) is var candidate && candidate != None)
            {
                candidates.AddUnordered(candidate);
            }
        }

        candidates.Order();
        while (candidates.TryPop(out long best))
        {
            int left = (int)best;
            if (symbols[left] == Gone || next[left] == count)
            {
                continue;
            }

            int right = next[left];
            if (merges.Find(symbols[left], symbols[right], out int merged) != (int)(best >> 32))
            {
                continue;
            }

            symbols[left] = merged;
            symbols[right] = Gone;
            next[left] = next[right];
            if (next[left] < count)
            {
                previous[next[left]] = left;
                Consider(ref candidates, merges, symbols, left, next[left]);
            }

            if (previous[left] >= 0)
            {
                Consider(ref candidates, merges, symbols, previous[left], left);
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
        ref CandidateHeap candidates,
        MergeTable merges,
        ReadOnlySpan<int> symbols,
        int left,
        int right)
    {
        long candidate = CandidateAt(merges, symbols, left, right);
        if (candidate != None)
        {
            candidates.Push(candidate);
        }
    }

    private static long CandidateAt(MergeTable merges, ReadOnlySpan<int> symbols, int left, int right)
    {
        int rank = merges.Find(symbols[left], symbols[right], out _);
        return rank == int.MaxValue ? None : ((long)rank << 32) | (uint)left;
    }
}

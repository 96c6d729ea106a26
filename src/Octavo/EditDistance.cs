namespace Octavo;

/// <summary>How far two words are from each other, for guesses at what somebody meant.</summary>
internal static class EditDistance
{
    /// <summary>
    /// How many letters must be put in, left out or changed, or swapped with the next one (Damerau, 1964).
    /// </summary>
    public static int Of(ReadOnlySpan<char> a, ReadOnlySpan<char> b)
    {
        int[] last = new int[b.Length + 1], row = [.. Enumerable.Range(0, b.Length + 1)], next = new int[b.Length + 1];
        for (int i = 1; i <= a.Length; i++)
        {
            next[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int change = row[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                next[j] = Math.Min(change, 1 + Math.Min(row[j], next[j - 1]));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    next[j] = Math.Min(next[j], last[j - 2] + 1);
                }
            }

            (last, row, next) = (row, next, last);
        }

        return row[b.Length];
    }

    /// <summary>
    /// The word that is nearest to what somebody wrote, or the only one that begins so; null where there is none.
    /// </summary>
    public static string? Nearest(string written, IReadOnlyCollection<string> words)
    {
        const int Telling = 3;
        string[] longer = [.. words.Where(w => w.StartsWith(written, StringComparison.Ordinal))];
        if (longer.Length == 1 && written.TrimStart('-').Length >= Telling)
        {
            return longer[0];
        }

        (string word, int distance) = words.Select(w => (w, Of(written, w)))
            .DefaultIfEmpty((string.Empty, int.MaxValue)).MinBy(w => w.Item2);
        return word.Length > 0 && distance <= Math.Max(1, Math.Min(word.Length, written.Length) / 4) ? word : null;
    }
}

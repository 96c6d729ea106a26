namespace Octavo.Text.Templates;

/// <summary>Finds a text in another in time that grows with the two's lengths, not with their product.</summary>
internal static class TextSearch
{
    // So few characters are compared in one go at each place.
    private const int LongestPlain = 64;

    /// <summary>Where the first occurrence at or behind a position begins; -1 where there is none.</summary>
    public static int First(ReadOnlySpan<char> text, ReadOnlySpan<char> sought, int from = 0)
    {
        Renderer.ChargeReading(1 + sought.Length);
        int found = sought.Length <= LongestPlain
            ? text[from..].IndexOf(sought, StringComparison.Ordinal)
            : Search(text[from..], sought, backwards: false);
        Renderer.ChargeReading(found < 0 ? text.Length - from : found);
        return found < 0 ? -1 : from + found;
    }

    /// <summary>Where the last occurrence begins; -1 where there is none.</summary>
    public static int Last(ReadOnlySpan<char> text, ReadOnlySpan<char> sought)
    {
        Renderer.ChargeReading(1 + sought.Length);
        int found = sought.Length <= LongestPlain
            ? text.LastIndexOf(sought, StringComparison.Ordinal)
            : Search(text, sought, backwards: true);
        Renderer.ChargeReading(text.Length - Math.Max(found, 0));
        return found;
    }

    // Knuth, Morris and Pratt; backwards, both texts are read from their ends.
    private static int Search(ReadOnlySpan<char> text, ReadOnlySpan<char> sought, bool backwards)
    {
        if (sought.Length > text.Length)
        {
            return -1;
        }

        Renderer.ChargePrinting(text.Length + sought.Length);

        // Of what is matched, the length of the longest proper end that is a beginning, too.
        int[] borders = new int[sought.Length];
        for (int i = 1, length = 0; i < sought.Length; i++)
        {
            while (length > 0 && At(sought, i) != At(sought, length))
            {
                length = borders[length - 1];
            }

            length += At(sought, i) == At(sought, length) ? 1 : 0;
            borders[i] = length;
        }

        for (int i = 0, matched = 0; i < text.Length; i++)
        {
            while (matched > 0 && At(text, i) != At(sought, matched))
            {
                matched = borders[matched - 1];
            }

            matched += At(text, i) == At(sought, matched) ? 1 : 0;
            if (matched == sought.Length)
            {
                return backwards ? text.Length - 1 - i : i + 1 - matched;
            }
        }

        return -1;

        char At(ReadOnlySpan<char> of, int index) => of[backwards ? of.Length - 1 - index : index];
    }
}

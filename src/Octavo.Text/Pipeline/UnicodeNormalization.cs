using System.Text;

namespace Octavo.Text.Pipeline;

/// <summary>
/// Unicode normalization (<see href="https://www.unicode.org/reports/tr15/">UAX #15</see>) with tables of our own:
/// under InvariantGlobalization, <see cref="string.Normalize()"/> returns its argument unchanged, silently.
/// The tables are of Unicode 14; characters that came later are left as they are.
/// </summary>
internal static class UnicodeNormalization
{
    /// <summary>The text in the given form. The text must be well-formed UTF-16.</summary>
    public static string Normalize(string text, NormalizationForm form)
    {
        bool compose = form is NormalizationForm.FormC or NormalizationForm.FormKC;
        bool compatible = form is NormalizationForm.FormKC or NormalizationForm.FormKD;
        if (IsSettled(text, compose, compatible))
        {
            return text;
        }

        NormalizationData data = NormalizationData.Instance;
        List<int> codePoints = new(text.Length + 16);
        foreach (Rune rune in text.EnumerateRunes())
        {
            data.Decompose(rune.Value, compatible, codePoints);
        }

        SortMarks(codePoints, data);
        if (compose)
        {
            Compose(codePoints, data);
        }

        StringBuilder result = new(codePoints.Count);
        foreach (int codePoint in codePoints)
        {
            if (codePoint <= char.MaxValue)
            {
                result.Append((char)codePoint);
            }
            else
            {
                result.Append(char.ConvertFromUtf32(codePoint));
            }
        }

        return result.ToString();
    }

    /// <summary>Whether a glance at each character is enough to see that nothing changes.</summary>
    private static bool IsSettled(string text, bool compose, bool compatible)
    {
        if (Ascii.IsValid(text))
        {
            return true;
        }

        NormalizationData data = NormalizationData.Instance;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (!rune.IsAscii && !data.IsInert(rune.Value, compose, compatible))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// Canonical ordering: each run of marks is sorted by combining class, and equals keep their order.
    /// </summary>
    private static void SortMarks(List<int> codePoints, NormalizationData data)
    {
        int start = 0;
        while (start < codePoints.Count)
        {
            if (data.CombiningClass(codePoints[start]) == 0)
            {
                start++;
                continue;
            }

            int end = start + 1;
            while (end < codePoints.Count && data.CombiningClass(codePoints[end]) != 0)
            {
                end++;
            }

            if (end - start > 1)
            {
                // The sort of LINQ is stable.
                int[] sorted = [.. codePoints.GetRange(start, end - start).OrderBy(data.CombiningClass)];
                for (int i = 0; i < sorted.Length; i++)
                {
                    codePoints[start + i] = sorted[i];
                }
            }

            start = end;
        }
    }

    /// <summary>Canonical composition: a mark joins the starter before it unless something blocks it.</summary>
    private static void Compose(List<int> codePoints, NormalizationData data)
    {
        int starter = -1;
        int kept = 0;
        int lastClass = 0; // of the last character kept after the starter; 0 where there is none
        for (int i = 0; i < codePoints.Count; i++)
        {
            int current = codePoints[i];
            int combiningClass = data.CombiningClass(current);
            bool adjacent = kept - 1 == starter;
            bool blocked = !adjacent && (lastClass == 0 || lastClass >= combiningClass);
            if (starter >= 0 && !blocked && data.Compose(codePoints[starter], current) is { } composed)
            {
                codePoints[starter] = composed;
                continue;
            }

            if (combiningClass == 0)
            {
                starter = kept;
            }

            lastClass = combiningClass;
            codePoints[kept] = current;
            kept++;
        }

        codePoints.RemoveRange(kept, codePoints.Count - kept);
    }
}

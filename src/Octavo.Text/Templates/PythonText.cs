using System.Text;

namespace Octavo.Text.Templates;

/// <summary>Strings as Python sees them: in code points, with its own idea of white space.</summary>
internal static class PythonText
{
    // Strings of one character are shared: a list of a text's characters is its references.
    private static readonly string?[] s_ofUnit = new string?[0x10000];

    public static bool IsSpace(char c) => c is >= '\x1c' and <= '\x1f' || char.IsWhiteSpace(c);

    /// <summary>Whether a text is white space, and at least one character of it.</summary>
    public static bool IsSpace(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
        {
            if (!IsSpace(c))
            {
                return false;
            }
        }

        return text.Length > 0;
    }

    public static string Trim(string text) => TrimStart(TrimEnd(text));

    public static string TrimStart(string text)
    {
        int start = 0;
        while (start < text.Length && IsSpace(text[start]))
        {
            start++;
        }

        return Renderer.Part(text, start..);
    }

    public static string TrimEnd(string text)
    {
        int end = text.Length;
        while (end > 0 && IsSpace(text[end - 1]))
        {
            end--;
        }

        return Renderer.Part(text, ..end);
    }

    /// <summary>The code points of a text, each as a string.</summary>
    public static IEnumerable<string> CodePoints(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (IsPair(text, i))
            {
                yield return text.Substring(i, 2);
                i++;
            }
            else
            {
                yield return OfUnit(text[i]);
            }
        }
    }

    /// <summary>A string of one character.</summary>
    public static string OfUnit(char c) => s_ofUnit[c] ??= c.ToString();

    /// <summary>The same as <see cref="CodePoints"/>; each is a step.</summary>
    public static IEnumerable<string> EachOf(string text)
    {
        Renderer.ChargeEach(text.Length);
        return CodePoints(text);
    }

    public static bool IsPair(string text, int at) =>
        at + 1 < text.Length && char.IsSurrogatePair(text[at], text[at + 1]);

    public static int Length(string text) => LengthOf(text.AsSpan());

    /// <summary>How many code points a text has.</summary>
    public static int LengthOf(ReadOnlySpan<char> text)
    {
        Renderer.ChargeReading(text.Length);
        if (!text.ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            return text.Length;
        }

        int length = text.Length;
        for (int i = 0; i + 1 < text.Length; i++)
        {
            if (char.IsSurrogatePair(text[i], text[i + 1]))
            {
                length--;
                i++;
            }
        }

        return length;
    }

    /// <summary>Where a code point begins in UTF-16.</summary>
    public static int OffsetOf(string text, int codePoint)
    {
        Renderer.ChargeReading(text.Length);
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            return codePoint;
        }

        int at = 0;
        for (; codePoint > 0; codePoint--)
        {
            at += IsPair(text, at) ? 2 : 1;
        }

        return at;
    }

    /// <summary>Orders by code points; UTF-16 would put what lies beyond U+FFFF too early.</summary>
    public static int Compare(string left, string right)
    {
        int same = left.AsSpan().CommonPrefixLength(right);
        Renderer.ChargeReading(same);
        if (same == left.Length || same == right.Length)
        {
            return left.Length.CompareTo(right.Length);
        }

        bool leftHigh = char.IsSurrogate(left[same]), rightHigh = char.IsSurrogate(right[same]);
        return leftHigh == rightHigh ? left[same].CompareTo(right[same]) : leftHigh ? 1 : -1;
    }

    /// <summary>Lines as str.splitlines has them.</summary>
    public static List<string> SplitLines(string text, bool keepEnds = false)
    {
        List<string> lines = [];
        int start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] is not ('\n' or '\r' or '\v' or '\f' or '\x1c' or '\x1d' or '\x1e' or '\x85' or '\u2028'
                or '\u2029'))
            {
                continue;
            }

            Renderer.ChargeEach(1);
            int end = i;
            i += text[i] == '\r' && i + 1 < text.Length && text[i + 1] == '\n' ? 1 : 0;
            lines.Add(Renderer.Part(text, start..(keepEnds ? i + 1 : end)));
            start = i + 1;
        }

        if (start < text.Length)
        {
            lines.Add(Renderer.Part(text, start..));
        }

        return lines;
    }

    /// <summary>A word's first letter in capitals, the rest not.</summary>
    public static string Capitalize(string text)
    {
        int first = text.Length == 0 ? 0 : IsPair(text, 0) ? 2 : 1;
        return Upper(text[..first]) + Lower(text[first..]);
    }

    public static string Upper(string text)
    {
        Renderer.ChargeReading(text.Length);
        return text.Contains('ß') ? text.Replace("ß", "SS").ToUpperInvariant() : text.ToUpperInvariant();
    }

    public static string Lower(string text)
    {
        Renderer.ChargeReading(text.Length);
        return text.ToLowerInvariant();
    }

    /// <summary>Python's str.title: a capital after anything that is no letter.</summary>
    public static string Title(string text)
    {
        var result = new StringBuilder(text.Length);
        bool inWord = false;
        foreach (string c in EachOf(text))
        {
            result.Append(inWord ? Lower(c) : Upper(c));
            inWord = char.IsLetter(c, 0);
        }

        return result.ToString();
    }
}

using System.Text;

namespace Octavo.Engine.Output;

/// <summary>
/// Looks for stop texts in a growing output, across token boundaries, and says how much of its end must be withheld
/// because it may yet become one.
/// </summary>
internal sealed class StopStrings(IReadOnlyList<string> stops)
{
    private readonly int _longest = stops.Count == 0 ? 0 : stops.Max(s => s.Length);

    /// <summary>
    /// Finds the stop text that begins first in a text whose part before <paramref name="searched"/> holds none.
    /// </summary>
    public bool TryFind(StringBuilder text, int searched, out int index, out string stop)
    {
        (index, stop) = (-1, string.Empty);
        if (_longest == 0)
        {
            return false;
        }

        int from = Math.Max(0, searched - _longest + 1);
        string tail = text.ToString(from, text.Length - from);
        foreach (string candidate in stops)
        {
            int at = tail.IndexOf(candidate, StringComparison.Ordinal);
            if (at >= 0 && (index < 0 || from + at < index))
            {
                (index, stop) = (from + at, candidate);
            }
        }

        return index >= 0;
    }

    /// <summary>The length of the longest end of the text that is the beginning of a stop text.</summary>
    public int CountWithheld(StringBuilder text)
    {
        int most = Math.Min(_longest - 1, text.Length);
        if (most <= 0)
        {
            return 0;
        }

        string tail = text.ToString(text.Length - most, most);
        for (int length = most; length > 0; length--)
        {
            ReadOnlySpan<char> end = tail.AsSpan(most - length);
            foreach (string stop in stops)
            {
                if (stop.Length > length && stop.AsSpan().StartsWith(end, StringComparison.Ordinal))
                {
                    return length;
                }
            }
        }

        return 0;
    }
}

using System.Buffers;
using System.Text.RegularExpressions;

namespace Octavo.Text.Templates;

/// <summary>Python's textwrap, as the filter wordwrap uses it: white space stays as it is within a line.</summary>
internal static partial class TextWrapping
{
    [GeneratedRegex(
        @"\s+|[^\s-]*\w[\w'""]*-(?=[\w])|[^\s]+?(?=\s|$|--)|-{2,}|[^\s]+", RegexOptions.None,
        matchTimeoutMilliseconds: Renderer.RegexTimeout)]
    private static partial Regex ChunkPattern { get; }

    [GeneratedRegex(@"\s+|\S+", RegexOptions.None, matchTimeoutMilliseconds: Renderer.RegexTimeout)]
    private static partial Regex WordPattern { get; }

    private static SearchValues<char> Blanks { get; } = SearchValues.Create(
        Enumerable.Range(0, 0x10000).Select(c => (char)c).Where(char.IsWhiteSpace).ToArray());

    // The first on top. What a regular expression finds one by one costs several steps.
    private static Stack<string> ChunksOf(string line, Regex pattern)
    {
        List<string> chunks = [];
        foreach (ValueMatch match in pattern.EnumerateMatches(line))
        {
            Renderer.ChargeEach(8);
            chunks.Add(line.Substring(match.Index, match.Length));
        }

        chunks.Reverse();
        return new Stack<string>(chunks);
    }

    // To find where a word may be cut takes the square of its length.
    private static void ChargeWords(string line)
    {
        Renderer.ChargePrinting(line.Length);
        foreach (Range word in line.AsSpan().SplitAny(Blanks))
        {
            Renderer.ChargeSquare(word.End.Value - word.Start.Value);
        }
    }

    public static IEnumerable<string> Wrap(string line, int width, bool breakLongWords, bool breakOnHyphens)
    {
        ChargeWords(line);
        Stack<string> chunks = ChunksOf(line, breakOnHyphens ? ChunkPattern : WordPattern);
        bool first = true;
        while (chunks.Count > 0)
        {
            if (!first && PythonText.IsSpace(chunks.Peek()))
            {
                chunks.Pop();
            }

            List<string> taken = [];
            int length = 0;
            while (chunks.TryPeek(out string? chunk) && length + PythonText.Length(chunk) <= width)
            {
                taken.Add(chunks.Pop());
                length += PythonText.Length(chunk);
            }

            if (chunks.TryPeek(out string? tooLong) && PythonText.Length(tooLong) > width)
            {
                if (breakLongWords)
                {
                    int fits = PythonText.OffsetOf(tooLong, Math.Max(1, width - length));
                    chunks.Pop();
                    chunks.Push(tooLong[fits..]);
                    taken.Add(tooLong[..fits]);
                }
                else if (taken.Count == 0)
                {
                    taken.Add(chunks.Pop());
                }
            }

            if (taken.Count > 0 && PythonText.IsSpace(taken[^1]))
            {
                taken.RemoveAt(taken.Count - 1);
            }

            if (taken.Count > 0)
            {
                yield return string.Concat(taken);
                first = false;
            }
        }
    }
}


namespace Octavo.Text.Templates;

/// <summary>str.split and what is like it.</summary>
internal static class StringSplitting
{
    public static object? Split(string text, BoundArguments arguments)
    {
        long max = Limit(arguments);
        if (arguments.Value(0) is null)
        {
            return OnSpace(text, max);
        }

        string separator = Separator(arguments.Text(0));
        List<object?> parts = [];
        int at = 0;
        while (parts.Count < max && TextSearch.First(text, separator, at) is >= 0 and int found)
        {
            arguments.Renderer.Charge(2);
            parts.Add(Renderer.Part(text, at..found));
            at = found + separator.Length;
        }

        parts.Add(Renderer.Part(text, at..));
        return parts;
    }

    public static object? SplitFromEnd(string text, BoundArguments arguments)
    {
        long max = Limit(arguments);
        if (arguments.Value(0) is null)
        {
            return OnSpaceFromEnd(text, max);
        }

        string separator = Separator(arguments.Text(0));
        List<object?> parts = [];
        int end = text.Length;
        while (parts.Count < max && TextSearch.Last(text.AsSpan(0, end), separator) is >= 0 and int found)
        {
            arguments.Renderer.Charge(2);
            parts.Add(Renderer.Part(text, (found + separator.Length)..end));
            end = found;
        }

        parts.Add(Renderer.Part(text, ..end));
        parts.Reverse();
        return parts;
    }

    public static object? Partition(string text, string separator, bool fromEnd)
    {
        Separator(separator);
        int at = fromEnd
            ? TextSearch.Last(text, separator)
            : TextSearch.First(text, separator);
        int end = at + separator.Length;

        // What stands between is the text's, not what was looked for: who wrote it may differ.
        return new PyTuple(at >= 0
            ? [Renderer.Part(text, ..at), Renderer.Part(text, at..end), Renderer.Part(text, end..)]
            : fromEnd ? [string.Empty, string.Empty, text]
            : [text, string.Empty, string.Empty]);
    }

    private static long Limit(BoundArguments arguments) =>
        arguments.Int(1, -1) is >= 0 and long max ? max : long.MaxValue;

    private static string Separator(string separator) =>
        separator.Length > 0 ? separator : throw new TemplateFault("empty separator");

    private static List<object?> OnSpace(string text, long max)
    {
        List<object?> parts = [];
        int at = 0;
        while (true)
        {
            while (at < text.Length && PythonText.IsSpace(text[at]))
            {
                at++;
            }

            if (at == text.Length)
            {
                return parts;
            }

            if (parts.Count == max)
            {
                parts.Add(Renderer.Part(text, at..));
                return parts;
            }

            Renderer.ChargeEach(4);
            int start = at;
            while (at < text.Length && !PythonText.IsSpace(text[at]))
            {
                at++;
            }

            parts.Add(Renderer.Part(text, start..at));
        }
    }

    private static List<object?> OnSpaceFromEnd(string text, long max)
    {
        List<object?> parts = [];
        int end = text.Length;
        while (true)
        {
            while (end > 0 && PythonText.IsSpace(text[end - 1]))
            {
                end--;
            }

            if (end == 0 || parts.Count == max)
            {
                break;
            }

            Renderer.ChargeEach(4);
            int stop = end;
            while (end > 0 && !PythonText.IsSpace(text[end - 1]))
            {
                end--;
            }

            parts.Add(Renderer.Part(text, end..stop));
        }

        if (end > 0)
        {
            parts.Add(Renderer.Part(text, ..end));
        }

        parts.Reverse();
        return parts;
    }
}

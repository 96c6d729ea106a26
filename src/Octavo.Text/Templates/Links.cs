using System.Text.RegularExpressions;

namespace Octavo.Text.Templates;

/// <summary>The filter urlize: web and mail addresses in a text become links.</summary>
internal static partial class Links
{
    private static readonly (string Open, string Close)[] Pairs = [("(", ")"), ("<", ">"), ("&lt;", "&gt;")];

    [GeneratedRegex(@"(?<space>\s+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: Renderer.RegexTimeout)]
    private static partial Regex Space { get; }

    [GeneratedRegex(@"\A(?:[(<]|&lt;)+", RegexOptions.None, matchTimeoutMilliseconds: Renderer.RegexTimeout)]
    private static partial Regex Head { get; }

    [GeneratedRegex(@"(?:[)>.,\n]|&gt;)+\z", RegexOptions.NonBacktracking)]
    private static partial Regex Tail { get; }

    [GeneratedRegex(
        @"\A(?:(?:https?://|www\.)(?:[\w%-]+\.)*(?:[a-z]{2,63}|xn--[\w%]{2,59})"
        + @"|(?:[\w%-]{2,63}\.)+(?:com|net|int|edu|gov|org|info|mil)"
        + @"|https?://(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[(?:[0-9a-f]{0,4}:){2}(?:[0-9a-f]{0,4}:?){1,6}\]))"
        + @"(?::[0-9]{1,5})?(?:[/?#]\S*)?\z",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Web { get; }

    [GeneratedRegex(@"\A\S+@\w[\w.-]*\.\w+\z", RegexOptions.NonBacktracking)]
    private static partial Regex Mail { get; }

    public static object? Urlize(object? value, BoundArguments arguments)
    {
        long limit = arguments.Value(0) is null ? long.MaxValue : arguments.Int(0);
        SortedSet<string> rel = new(StringComparer.Ordinal) { "noopener" };
        rel.UnionWith((arguments.Value(3) is null ? string.Empty : arguments.Text(3))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries));
        if (arguments.Flag(1))
        {
            rel.Add("nofollow");
        }

        string attributes = $" rel=\"{Markup.Escape(string.Join(' ', rel)).Text}\"";
        attributes += arguments.Value(2) is null
            ? string.Empty
            : $" target=\"{Markup.Escape(arguments.Text(2)).Text}\"";
        string[] schemes = arguments.Value(4) is null
            ? []
            : [.. Sequences.Iterate(arguments.Renderer, arguments.Value(4)).Select(Printing.Str)];
        return string.Concat(
            Space.Split(Markup.Escape(value).Text).Select(word => Word(word, limit, attributes, schemes)));
    }

    private static string Word(string word, long limit, string attributes, string[] schemes)
    {
        string head = Head.Match(word).Value;
        string middle = word[head.Length..];
        string tail = Tail.Match(middle).Value;
        middle = middle[..^tail.Length];

        // Closing brackets belong to an address that holds their opening ones.
        foreach ((string open, string close) in Pairs)
        {
            int opened = middle.AsSpan().Count(open);
            if (opened <= middle.AsSpan().Count(close))
            {
                continue;
            }

            for (int i = Math.Min(opened, tail.AsSpan().Count(close)); i > 0; i--)
            {
                int end = tail.IndexOf(close, StringComparison.Ordinal) + close.Length;
                middle += tail[..end];
                tail = tail[end..];
            }
        }

        return head + Link(middle, limit, attributes, schemes) + tail;
    }

    private static string Link(string address, long limit, string attributes, string[] schemes)
    {
        if (Web.IsMatch(address))
        {
            string shown = PythonText.Length(address) > limit
                ? address[..PythonText.OffsetOf(address, (int)limit)] + "..."
                : address;
            string scheme = address.StartsWith("https://") || address.StartsWith("http://") ? string.Empty : "https://";
            return $"<a href=\"{scheme}{address}\"{attributes}>{shown}</a>";
        }

        if (address.StartsWith("mailto:") && Mail.IsMatch(address[7..]))
        {
            return $"<a href=\"{address}\">{address[7..]}</a>";
        }

        if (address.Contains('@') && !address.StartsWith("www.") && address[0] != '@' && !address.Contains(':')
            && Mail.IsMatch(address))
        {
            return $"<a href=\"mailto:{address}\">{address}</a>";
        }

        return Array.Exists(schemes, s => address != s && address.StartsWith(s))
            ? $"<a href=\"{address}\"{attributes}>{address}</a>"
            : address;
    }
}

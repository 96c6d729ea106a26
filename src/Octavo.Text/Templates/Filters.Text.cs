using System.Text;
using System.Text.RegularExpressions;

namespace Octavo.Text.Templates;

/// <content>Filters of texts.</content>
internal static partial class Filters
{
    private static (string Names, FilterFunction Function)[] TextFilters =>
    [
        ("upper", OfText("upper", PythonText.Upper)),
        ("lower", OfText("lower", PythonText.Lower)),
        ("capitalize", OfText("capitalize", PythonText.Capitalize)),
        ("title", OfText("title", Title)),
        ("trim", new(new("trim", "chars?"), (v, a) => Like(
            v,
            a.Value(0) is null
                ? PythonText.Trim(Printing.Str(v))
                : StringMethods.Strip(Printing.Str(v), a.Text(0), true, true)))),
        ("replace", new(new("replace", "old", "new", "count?"), Replace)),
        ("escape e", new(new("escape"), (v, _) => Markup.Escape(v))),
        ("forceescape", new(new("forceescape"), (v, _) => Markup.Escape(Printing.Str(v)))),
        ("safe", new(new("safe"), (v, _) => new Markup(Printing.Str(v)))),
        ("striptags", new(new("striptags"), (v, _) => StripTags(Printing.Str(v)))),
        ("indent", new(new("indent", "width?", "first?", "blank?"), Indent)),
        ("center", new(new("center", "width?"), (v, a) => Center(a.Renderer, Printing.Str(v), a.Int(0, 80)))),
        ("truncate", new(new("truncate", "length?", "killwords?", "end?", "leeway?"), Truncate)),
        ("wordcount", new(new Signature("wordcount"), (v, _) => WordCount(Printing.Str(v)))),
        ("wordwrap", new(
            new("wordwrap", "width?", "break_long_words?", "wrapstring?", "break_on_hyphens?"),
            WordWrap)),
        ("urlencode", new(new("urlencode"), (v, a) => UrlEncode(a.Renderer, v))),
        ("urlize",
            new(new("urlize", "trim_url_limit?", "nofollow?", "target?", "rel?", "extra_schemes?"),
                Links.Urlize)),
        ("format", new((renderer, value, arguments) => FormatText(renderer, value, arguments))),
        ("xmlattr", new(new("xmlattr", "autospace?"), (v, a) => XmlAttributes(v, a.Flag(0, true)))),
    ];

    [GeneratedRegex(@"[\w]+", RegexOptions.None, matchTimeoutMilliseconds: Renderer.RegexTimeout)]
    private static partial Regex WordPattern { get; }

    private static FilterFunction OfText(string name, Func<string, string> convert) =>
        new(new Signature(name), (v, _) => Like(v, convert(Printing.Str(v))));

    // Markup stays markup.
    private static object Like(object? value, string text) => value is Markup ? new Markup(text) : text;

    // Words lie between blanks, hyphens and opening brackets.
    private static string Title(string text)
    {
        Renderer.ChargeEach(text.Length);
        var result = new StringBuilder(text.Length);
        int start = 0;
        for (int i = 0; i <= text.Length; i++)
        {
            if (i == text.Length || PythonText.IsSpace(text[i]) || text[i] is '-' or '(' or '{' or '[' or '<')
            {
                result.Append(PythonText.Capitalize(text[start..i])).Append(text, i, i < text.Length ? 1 : 0);
                start = i + 1;
            }
        }

        return result.ToString();
    }

    private static object? Replace(object? value, BoundArguments arguments)
    {
        long count = arguments.Value(2) is null ? -1 : arguments.Int(2);
        return StringMethods.Replace(
            arguments.Renderer,
            Printing.Str(value),
            Printing.Str(arguments.Value(0)),
            Printing.Str(arguments.Value(1)),
            count);
    }

    private static string StripTags(string text)
    {
        Renderer.ChargePrinting(text.Length);
        var plain = new StringBuilder();
        int at = 0;
        int[] lastEnds = [0, 0]; // where a comment and a tag ended last; beyond the text once none does
        while (text.IndexOf('<', at) is >= 0 and int open)
        {
            plain.Append(text, at, open - at);
            int end = text.AsSpan(open).StartsWith("<!--") ? EndOf("-->", open + 4, ref lastEnds[0]) : text.Length + 1;
            end = end <= text.Length ? end : EndOf(">", open + 1, ref lastEnds[1]);
            at = end <= text.Length ? end : open + 1;
            plain.Append(text, open, end <= text.Length ? 0 : 1);
        }

        plain.Append(text, at, text.Length - at);
        string joined = string.Join(' ', plain.ToString().Split(
            [' ', '\t', '\n', '\r', '\f', '\v'], StringSplitOptions.RemoveEmptyEntries));
        return System.Net.WebUtility.HtmlDecode(joined);

        int EndOf(string close, int from, ref int last)
        {
            if (last <= text.Length)
            {
                int found = text.IndexOf(close, from, StringComparison.Ordinal);
                last = found < 0 ? text.Length + 1 : found + close.Length;
            }

            return last;
        }
    }

    private static object WordCount(string text)
    {
        Renderer.ChargePrinting(text.Length);
        return (long)WordPattern.Count(text);
    }

    private static object? Indent(object? value, BoundArguments arguments)
    {
        string text = Printing.AsText(value) ?? throw new TemplateFault(
            $"indent needs a string, not {Types.Name(value)}");
        string indent = arguments.Has(0) && Printing.AsText(arguments.Value(0)) is { } given
            ? given
            : new string(' ', (int)Math.Clamp(arguments.Int(0, 4), 0, Renderer.MaxOutput));
        bool blank = arguments.Flag(2);
        List<string> lines =
            PythonText.SplitLines(arguments.Renderer.Joined().Append(text).Append("\n").ToString());

        arguments.Renderer.ChargeText(text.Length + ((long)lines.Count * indent.Length));
        TextJoiner result =
            arguments.Renderer.Joined().Append(arguments.Flag(1) ? indent : string.Empty).Append(lines[0]);
        foreach (string line in lines.Skip(1))
        {
            result.Append("\n").Append(blank || line.Length > 0 ? indent : string.Empty).Append(line);
        }

        return Like(value, result.ToString());
    }

    private static string Center(Renderer renderer, string text, long width)
    {
        renderer.ChargeText(width);
        int missing = (int)Math.Max(0, width - PythonText.Length(text));
        int left = (missing / 2) + (missing & (int)width & 1);
        return StringMethods.Fill(" ", left) + text + StringMethods.Fill(" ", missing - left);
    }

    private static object? Truncate(object? value, BoundArguments arguments)
    {
        long length = arguments.Int(0, 255);
        string end = arguments.Text(2, "...");
        long leeway = arguments.Value(3) is null ? 5 : arguments.Int(3);
        if (length < PythonText.Length(end) || leeway < 0)
        {
            throw new TemplateFault($"truncate needs a length of at least {end.Length} and a leeway of at least 0");
        }

        if (Sequences.Length(value) <= length + leeway)
        {
            return value;
        }

        string text = Printing.AsText(value) ?? throw new TemplateFault(
            $"truncate needs a string, not {Types.Name(value)}");
        string cut = Renderer.Part(text, ..PythonText.OffsetOf(text, (int)length - PythonText.Length(end)));
        int blank = arguments.Flag(1) ? -1 : cut.LastIndexOf(' ');
        TextJoiner shorter = arguments.Renderer.Joined().Append(cut, 0, blank < 0 ? cut.Length : blank);
        return Like(value, shorter.Append(end).ToString());
    }

    private static object? WordWrap(object? value, BoundArguments arguments)
    {
        string wrap = arguments.Value(2) is null ? "\n" : arguments.Text(2);
        int width = (int)Math.Clamp(arguments.Int(0, 79), 1, int.MaxValue);
        bool breaks = arguments.Flag(1, true), hyphens = arguments.Flag(3, true);
        return string.Join(wrap, PythonText.SplitLines(Printing.AsText(value)
            ?? throw new TemplateFault($"wordwrap needs a string, not {Types.Name(value)}"))
            .Select(line => string.Join(wrap, TextWrapping.Wrap(line, width, breaks, hyphens))));
    }

    private static string UrlEncode(Renderer renderer, object? value)
    {
        if (value is string or Markup || !Sequences.IsIterable(value))
        {
            return Quote(Printing.Str(value)).Replace("%2F", "/");
        }

        IEnumerable<object?> pairs = value is PyDict dict
            ? CollectionMethods.Items(dict)
            : Sequences.Iterate(renderer, value);
        return string.Join('&', pairs.Select(pair => Sequences.ToList(renderer, pair) is [var key, var item]
            ? $"{Quote(Printing.Str(key)).Replace("%20", "+")}={Quote(Printing.Str(item)).Replace("%20", "+")}"
            : throw new TemplateFault("urlencode needs pairs of a key and a value")));

        static string Quote(string text)
        {
            Renderer.ChargePrinting(text.Length);
            return Uri.EscapeDataString(text);
        }
    }

    private static object? FormatText(Renderer renderer, object? value, Arguments arguments)
    {
        if (arguments.Positional.Count > 0 && arguments.Named.Count > 0)
        {
            throw new TemplateFault("can't handle positional and keyword arguments at the same time");
        }

        object? values = arguments.Named.Count > 0
            ? new PyDict(arguments.Named.Select(a => ((object?)a.Name, a.Value)))
            : new PyTuple([.. arguments.Positional]);
        return Like(value, PercentFormat.Format(renderer, Printing.Str(value), values, value is Markup));
    }

    private static object? XmlAttributes(object? value, bool autospace)
    {
        PyDict attributes = value as PyDict ?? throw new TemplateFault($"'{Types.Name(value)}' is not a mapping");
        List<string> parts = [];
        foreach ((object? key, object? item) in attributes.Entries.Where(e => e.Value is not (null or Undefined)))
        {
            string name = Printing.Str(key);
            if (name.AsSpan().IndexOfAny(" \t\n\r\f\v/>=") >= 0)
            {
                throw new TemplateFault($"Invalid character in attribute name: '{name}'");
            }

            parts.Add($"{Markup.Escape(name).Text}=\"{Markup.Escape(item).Text}\"");
        }

        string joined = string.Join(' ', parts);
        return autospace && joined.Length > 0 ? " " + joined : joined;
    }
}

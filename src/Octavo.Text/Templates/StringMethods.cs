using System.Globalization;
using System.Text;

namespace Octavo.Text.Templates;

/// <summary>The methods of Python's strings; positions and lengths count code points.</summary>
internal static class StringMethods
{
    private static readonly FunctionTable<Method<string>> Table = new(
    [
        ("upper", Plain("upper", PythonText.Upper)),
        ("lower", Plain("lower", PythonText.Lower)),
        ("casefold", Plain("casefold", s => PythonText.Lower(s).Replace("ß", "ss"))),
        ("capitalize", Plain("capitalize", PythonText.Capitalize)),
        ("title", Plain("title", PythonText.Title)),
        ("swapcase", Plain("swapcase", s => string.Concat(PythonText.EachOf(s).Select(
            c => c == PythonText.Upper(c) ? PythonText.Lower(c) : PythonText.Upper(c))))),
        ("strip", new(new("strip", "chars?"), (s, a) => Strip(s, a, start: true, end: true))),
        ("lstrip", new(new("lstrip", "chars?"), (s, a) => Strip(s, a, start: true, end: false))),
        ("rstrip", new(new("rstrip", "chars?"), (s, a) => Strip(s, a, start: false, end: true))),
        ("split", new(new("split", "sep?", "maxsplit?"), StringSplitting.Split)),
        ("rsplit", new(new("rsplit", "sep?", "maxsplit?"), StringSplitting.SplitFromEnd)),
        ("splitlines", new(new("splitlines", "keepends?"), (s, a) =>
            PythonText.SplitLines(s, a.Flag(0)).ToList<object?>())),
        ("partition", new(new("partition", "sep"), (s, a) => StringSplitting.Partition(s, a.Text(0), fromEnd: false))),
        ("rpartition", new(new("rpartition", "sep"), (s, a) => StringSplitting.Partition(s, a.Text(0), fromEnd: true))),
        ("replace", new(new("replace", "old", "new", "count?"), (s, a) =>
            Replace(a.Renderer, s, a.Text(0), a.Text(1), a.Int(2, -1)))),
        ("startswith", new(new("startswith", "prefix", "start?", "end?"), (s, a) =>
            HasAffix(s, a, "startswith", (part, affix) => part.StartsWith(affix, StringComparison.Ordinal)))),
        ("endswith", new(new("endswith", "suffix", "start?", "end?"), (s, a) =>
            HasAffix(s, a, "endswith", (part, affix) => part.EndsWith(affix, StringComparison.Ordinal)))),
        ("removeprefix", new(new("removeprefix", "prefix"), (s, a) =>
            s.StartsWith(a.Text(0), StringComparison.Ordinal) ? Renderer.Part(s, a.Text(0).Length..) : s)),
        ("removesuffix", new(new("removesuffix", "suffix"), (s, a) =>
            s.EndsWith(a.Text(0), StringComparison.Ordinal) ? Renderer.Part(s, ..^a.Text(0).Length) : s)),
        ("find", new(new("find", "sub", "start?", "end?"), (s, a) => Find(s, a, fromEnd: false))),
        ("rfind", new(new("rfind", "sub", "start?", "end?"), (s, a) => Find(s, a, fromEnd: true))),
        ("index", new(new("index", "sub", "start?", "end?"), (s, a) => Found(Find(s, a, fromEnd: false)))),
        ("rindex", new(new("rindex", "sub", "start?", "end?"), (s, a) => Found(Find(s, a, fromEnd: true)))),
        ("count", new(new("count", "sub", "start?", "end?"), Count)),
        ("join", new(new("join", "iterable"), (s, a) => Join(a.Renderer, s, a.Value(0)))),
        ("center", Padded("center", (s, missing, fill) =>
        {
            int left = (missing / 2) + (missing & (PythonText.Length(s) + missing) & 1);
            return Fill(fill, left) + s + Fill(fill, missing - left);
        })),
        ("ljust", Padded("ljust", (s, missing, fill) => s + Fill(fill, missing))),
        ("rjust", Padded("rjust", (s, missing, fill) => Fill(fill, missing) + s)),
        ("zfill", new(new("zfill", "width"), (s, a) => ZeroFill(a.Renderer, s, a.Int(0)))),
        ("expandtabs", new(new("expandtabs", "tabsize?"), (s, a) => ExpandTabs(a.Renderer, s, a.Int(0, 8)))),
        ("isdigit", All("isdigit", r => Rune.IsDigit(r) || CharUnicodeInfo.GetDigitValue(r.ToString(), 0) >= 0)),
        ("isdecimal", All("isdecimal", Rune.IsDigit)),
        ("isnumeric", All("isnumeric", Rune.IsNumber)),
        ("isalpha", All("isalpha", Rune.IsLetter)),
        ("isalnum", All("isalnum", r => Rune.IsLetter(r) || Rune.IsNumber(r))),
        ("isspace", Asked("isspace", s => PythonText.IsSpace(s))),
        ("isascii", Asked("isascii", s => Ascii.IsValid(s))),
        ("isprintable", Each("isprintable", s => !Printing.Repr(s.Replace("\\", "").Replace("'", "")).Contains('\\'))),
        ("isidentifier", Each("isidentifier", s => s.Length > 0 && !char.IsDigit(s[0])
            && s.EnumerateRunes().All(r => r.Value == '_' || Rune.IsLetterOrDigit(r)))),
        ("isupper",
            Each("isupper", s => s.Any(char.IsLetter) && s == PythonText.Upper(s) && s != PythonText.Lower(s))),
        ("islower",
            Each("islower", s => s.Any(char.IsLetter) && s == PythonText.Lower(s) && s != PythonText.Upper(s))),
        ("istitle", Each("istitle", s => s.Any(char.IsLetter) && s == PythonText.Title(s))),
    ]);

    /// <summary>A method of a string; those of markup give markup, and escape what they are given.</summary>
    public static Function? Find(object owner, string name)
    {
        string text = Printing.AsText(owner)!;
        if (name is "format" or "format_map")
        {
            return new Function(name, (renderer, a) =>
            {
                string formatted = BraceFormat.Format(renderer, text, FormatArguments(name, a), owner is Markup);
                return owner is Markup ? new Markup(formatted) : formatted;
            });
        }

        if (Table.Find(name)?.Of(text, name) is not { } method || owner is string)
        {
            return Table.Find(name)?.Of(text, name);
        }

        return new Function(name, (renderer, a) =>
        {
            Arguments escaped = new([.. a.Positional.Select(v => v is string ? Markup.Escape(v) : v)], a.Named);
            object? result = name == "join" && a.Positional is [var items]
                ? Join(
                    renderer, text,
                    Sequences.Iterate(renderer, items).Select(i => (object?)Markup.Escape(i).Text).ToList())
                : method.Call(renderer, escaped);
            return result switch
            {
                string s => new Markup(s),
                List<object?> list => list.ConvertAll(i => i is string s ? new Markup(s) : i),
                _ => result,
            };
        });
    }

    /// <summary>str.replace; a negative count means all.</summary>
    public static string Replace(Renderer renderer, string text, string old, string with, long count)
    {
        count = count < 0 ? long.MaxValue : count;
        TextJoiner result = renderer.Joined();
        int at = 0;
        if (old.Length == 0)
        {
            // It stands before each character and at the end.
            for (; count > 0 && at <= text.Length; count--)
            {
                int length = at == text.Length ? 0 : PythonText.IsPair(text, at) ? 2 : 1;
                renderer.Charge(1);
                renderer.ChargeText(with.Length + length);
                result.Append(with).Append(text, at, length);
                at += Math.Max(length, at == text.Length ? 1 : 0);
            }

            return at > text.Length ? result.ToString() : result.Append(text, at, text.Length - at).ToString();
        }

        for (; count > 0 && TextSearch.First(text, old, at) is >= 0 and int found; count--)
        {
            renderer.Charge(2);
            renderer.ChargeText(found - at + with.Length);
            result.Append(text, at, found - at).Append(with);
            at = found + old.Length;
        }

        return result.Append(text, at, text.Length - at).ToString();
    }

    /// <summary>str.join.</summary>
    public static string Join(Renderer renderer, string separator, object? items)
    {
        TextJoiner result = renderer.Joined();
        int index = 0;
        foreach (object? item in Sequences.Iterate(renderer, items))
        {
            string text = Printing.AsText(item) ?? throw new TemplateFault(
                $"sequence item {index}: expected str instance, {Types.Name(item)} found");
            renderer.ChargeText(separator.Length + text.Length);
            result.Append(index++ > 0 ? separator : string.Empty).Append(text);
        }

        return result.ToString();
    }

    public static string Strip(string text, string chars, bool start, bool end)
    {
        Renderer.ChargeEach(chars.Length);
        HashSet<string> points = [.. PythonText.CodePoints(chars)];
        HashSet<string>.AlternateLookup<ReadOnlySpan<char>> set = points.GetAlternateLookup<ReadOnlySpan<char>>();
        int from = 0, to = text.Length;
        while (start && from < to)
        {
            int length = PythonText.IsPair(text, from) ? 2 : 1;
            if (!set.Contains(text.AsSpan(from, length)))
            {
                break;
            }

            from += length;
        }

        while (end && to > from)
        {
            int length = to - from > 1 && PythonText.IsPair(text, to - 2) ? 2 : 1;
            if (!set.Contains(text.AsSpan(to - length, length)))
            {
                break;
            }

            to -= length;
        }

        return Renderer.Part(text, from..to);
    }

    /// <summary>So many of a fill, checked.</summary>
    public static string Fill(string fill, int count) =>
        new StringBuilder().Insert(0, fill, Math.Max(count, 0)).ToString();

    private static Method<string> Plain(string name, Func<string, string> convert) =>
        new(new(name), (s, _) => convert(s));

    private static Method<string> Asked(string name, Func<string, bool> holds) => new(new(name), (s, _) => holds(s));

    // For what looks at characters one by one.
    private static Method<string> Each(string name, Func<string, bool> holds) => Asked(name, s =>
    {
        Renderer.ChargeEach(s.Length);
        return holds(s);
    });

    private static Method<string> All(string name, Func<Rune, bool> holds) =>
        Each(name, s => s.Length > 0 && s.EnumerateRunes().All(holds));

    private static Method<string> Padded(string name, Func<string, int, string, string> pad) =>
        new(new(name, "width", "fillchar?"), (s, a) =>
        {
            string fill = a.Text(1, " ");
            if (PythonText.Length(fill) != 1)
            {
                throw new TemplateFault("The fill character must be exactly one character long");
            }

            long width = a.Int(0);
            a.Renderer.ChargeText(width);
            return width <= PythonText.Length(s) ? s : pad(s, (int)width - PythonText.Length(s), fill);
        });

    private static string Strip(string text, BoundArguments arguments, bool start, bool end)
    {
        if (arguments.Value(0) is not null)
        {
            return Strip(text, arguments.Text(0), start, end);
        }

        text = start ? PythonText.TrimStart(text) : text;
        return end ? PythonText.TrimEnd(text) : text;
    }

    // The part that start and end leave, and where it begins; null where start lies beyond the text.
    private static (string Part, long Offset)? Window(string text, BoundArguments arguments)
    {
        long length = PythonText.Length(text);
        long start = At(arguments.Value(1) is null ? 0 : arguments.Int(1));
        long end = Math.Min(At(arguments.Value(2) is null ? length : arguments.Int(2)), length);
        if (start > length || start > end)
        {
            return null;
        }

        int from = PythonText.OffsetOf(text, (int)start);
        return (text[from..PythonText.OffsetOf(text, (int)end)], start);

        long At(long index) => Math.Max(0, index < 0 ? index + length : index);
    }

    private static object HasAffix(string text, BoundArguments arguments, string name, Func<string, string, bool> has)
    {
        if (Window(text, arguments) is not { } window)
        {
            return false;
        }

        return arguments.Value(0) is PyTuple affixes
            ? affixes.Items.Any(affix => has(window.Part, Printing.AsText(affix)
                ?? throw new TemplateFault($"tuple for {name} must only contain str, not {Types.Name(affix)}")))
            : has(window.Part, arguments.Text(0));
    }

    private static long Find(string text, BoundArguments arguments, bool fromEnd)
    {
        string sought = arguments.Text(0);
        if (Window(text, arguments) is not { } window)
        {
            return -1;
        }

        int at = fromEnd ? TextSearch.Last(window.Part, sought) : TextSearch.First(window.Part, sought);
        return at < 0 ? -1 : window.Offset + PythonText.LengthOf(window.Part.AsSpan(0, at));
    }

    private static object Found(long at) => at >= 0 ? at : throw new TemplateFault("substring not found");

    private static object Count(string text, BoundArguments arguments)
    {
        string sought = arguments.Text(0);
        return Window(text, arguments) is not { } window ? 0L
            : sought.Length == 0 ? PythonText.Length(window.Part) + 1L
            : CountOf(window.Part, sought);
    }

    private static long CountOf(string text, string sought)
    {
        long count = 0;
        for (int at = 0; TextSearch.First(text, sought, at) is >= 0 and int found; at = found + sought.Length)
        {
            Renderer.ChargeEach(1);
            count++;
        }

        return count;
    }

    private static string ZeroFill(Renderer renderer, string text, long width)
    {
        renderer.ChargeText(width);
        int missing = (int)Math.Max(0, width - PythonText.Length(text));
        int sign = text.Length > 0 && text[0] is '+' or '-' ? 1 : 0;
        return text.Insert(sign, new string('0', missing));
    }

    private static string ExpandTabs(Renderer renderer, string text, long size)
    {
        renderer.Charge(text.Length);
        var result = new StringBuilder();
        int column = 0;
        foreach (char c in text)
        {
            if (c == '\t')
            {
                int blanks = size <= 0 ? 0 : (int)(size - (column % size));
                renderer.ChargeText(blanks);
                result.Append(' ', blanks);
                column += blanks;
            }
            else
            {
                result.Append(c);
                column = c is '\n' or '\r' ? 0 : column + 1;
            }
        }

        return result.ToString();
    }

    private static Arguments FormatArguments(string name, Arguments arguments) => name == "format" ? arguments
        : arguments.Positional is [PyDict map]
            ? new([], [.. map.Entries.Where(e => e.Key is string).Select(e => ((string)e.Key!, e.Value))])
        : throw new TemplateFault("format_map() takes one mapping");
}

using System.Globalization;
using System.Numerics;
using System.Text;

namespace Octavo.Text.Templates;

/// <summary>Python's str and repr.</summary>
internal static class Printing
{
    /// <summary>A string's or a markup's text; null for anything else.</summary>
    public static string? AsText(object? value) => value as string ?? (value as Markup)?.Text;

    public static string Str(object? value) => value switch
    {
        string text => text,
        Markup markup => markup.Text,
        Undefined => string.Empty,
        _ => Repr(value),
    };

    public static string Repr(object? value)
    {
        var text = new StringBuilder();
        Append(text, value);
        return text.ToString();
    }

    private static void Append(StringBuilder text, object? value)
    {
        Renderer.EnsureStack();
        if (text.Length > Renderer.MaxOutput)
        {
            throw new TemplateFault($"a value prints as more than {Renderer.MaxOutput} characters");
        }

        switch (value)
        {
            case List<object?> list:
                AppendAll(text, "[", list, "]");
                break;
            case PyTuple tuple:
                AppendAll(text, "(", tuple.Items, tuple.Items.Count == 1 ? ",)" : ")");
                break;
            case PyDict dict:
                AppendDict(text, dict);
                break;
            case DictView view:
                AppendAll(text.Append(view.Name), "([", view.Items, "])");
                break;
            case Namespace space:
                AppendDict(text.Append("<Namespace "), space.Values);
                text.Append('>');
                break;
            case string s:
                AppendQuoted(text, s);
                break;
            case Markup markup:
                AppendQuoted(text.Append("Markup("), markup.Text);
                text.Append(')');
                break;
            default:
                text.Append(ReprOfPlain(value));
                break;
        }
    }

    private static string ReprOfPlain(object? value) => value switch
    {
        null => "None",
        bool flag => flag ? "True" : "False",
        long number => number.ToString(CultureInfo.InvariantCulture),
        BigInteger number => PythonNumber.Print(number),
        double number => PythonNumber.Print(number),
        Undefined => "Undefined",
        PyRange { Step: 1 } range => $"range({range.Start}, {range.Stop})",
        PyRange range => $"range({range.Start}, {range.Stop}, {range.Step})",
        PyIterator iterator => $"<generator object {iterator.Name}>",
        LoopContext loop => loop.ToString(),
        Function function => $"<function {function.Name}>",
        _ => $"<{Types.Name(value)}>",
    };

    private static void AppendAll(StringBuilder text, string open, IEnumerable<object?> items, string close)
    {
        text.Append(open);
        bool first = true;
        foreach (object? item in items)
        {
            text.Append(first ? string.Empty : ", ");
            Append(text, item);
            first = false;
        }

        text.Append(close);
    }

    private static void AppendDict(StringBuilder text, PyDict dict)
    {
        text.Append('{');
        bool first = true;
        foreach ((object? key, object? value) in dict.Entries)
        {
            text.Append(first ? string.Empty : ", ");
            Append(text, key);
            Append(text.Append(": "), value);
            first = false;
        }

        text.Append('}');
    }

    private static void AppendQuoted(StringBuilder text, string value)
    {
        Renderer.ChargePrinting(value.Length);
        char quote = value.Contains('\'') && !value.Contains('"') ? '"' : '\'';
        text.Append(quote);
        for (int i = 0; i < value.Length; i++)
        {
            char c = value[i];
            if (PythonText.IsPair(value, i))
            {
                AppendWide(text, value, i++);
            }
            else if (c == quote || c == '\\')
            {
                text.Append('\\').Append(c);
            }
            else if (c is '\n' or '\r' or '\t')
            {
                text.Append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
            }
            else if (c == ' ' || IsPrintable(CharUnicodeInfo.GetUnicodeCategory(c)))
            {
                text.Append(c);
            }
            else
            {
                text.Append(CultureInfo.InvariantCulture, $"{(c < 256 ? "\\x" : "\\u")}")
                    .Append(((int)c).ToString(c < 256 ? "x2" : "x4", CultureInfo.InvariantCulture));
            }
        }

        text.Append(quote);
    }

    private static void AppendWide(StringBuilder text, string value, int at)
    {
        int rune = char.ConvertToUtf32(value, at);
        if (IsPrintable(CharUnicodeInfo.GetUnicodeCategory(rune)))
        {
            text.Append(value, at, 2);
        }
        else
        {
            text.Append("\\U").Append(rune.ToString("x8", CultureInfo.InvariantCulture));
        }
    }

    private static bool IsPrintable(UnicodeCategory category) => category is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.SpaceSeparator);
}

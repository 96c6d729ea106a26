using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;

namespace Octavo.Text.Templates;

/// <summary>Python's <c>'…%s…' % values</c>.</summary>
internal static partial class PercentFormat
{
    [GeneratedRegex(
        @"\G%(\((?<key>[^)]*)\))?(?<flags>[-+ #0]*)(?<width>\*|[0-9]+)?(\.(?<precision>\*|[0-9]*))?[hlL]?(?<type>.)",
        RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: Renderer.RegexTimeout)]
    private static partial Regex Directive { get; }

    /// <summary>The text with the values in it.</summary>
    /// <param name="renderer">The budget.</param>
    /// <param name="format">The text with its directives.</param>
    /// <param name="values">A tuple of values, a mapping, or one value.</param>
    /// <param name="escapes">Whether texts are escaped for HTML.</param>
    public static string Format(Renderer renderer, string format, object? values, bool escapes)
    {
        IReadOnlyList<object?> items = values is PyTuple tuple ? tuple.Items : [values];
        TextJoiner text = renderer.Joined();
        int used = 0;
        bool named = false;
        for (int i = 0; i < format.Length; i++)
        {
            int plain = format.AsSpan(i).IndexOf('%') is >= 0 and int found ? found : format.Length - i;
            if (plain > 0)
            {
                text.Append(format, i, plain);
                i += plain - 1;
                continue;
            }

            Match match = Directive.Match(format, i);
            if (!match.Success)
            {
                throw new TemplateFault("incomplete format");
            }

            i += match.Length - 1;
            char type = match.Groups["type"].Value[0];
            if (type == '%')
            {
                text.Append(format, i, 1);
                continue;
            }

            bool hasKey = match.Groups["key"].Success;
            named |= hasKey;
            int width = NumberOf(match.Groups["width"], -1, Next);
            int precision = NumberOf(match.Groups["precision"], -1, Next);
            object? value = hasKey ? ByKey(values, match.Groups["key"].Value) : Next();
            renderer.ChargeText(Math.Max(width, 0) + (long)Math.Max(precision, 0));
            text.Append(One(value, match.Groups["flags"].Value, width, precision, type, escapes));
        }

        renderer.ChargeText(text.Length);

        // What could be a mapping need not be used up.
        return used == items.Count || named || values is PyDict or List<object?> or PyRange or Undefined
            ? text.ToString()
            : throw new TemplateFault("not all arguments converted during string formatting");

        object? Next() => used < items.Count
            ? items[used++]
            : throw new TemplateFault("not enough arguments for format string");
    }

    private static object? ByKey(object? values, string key) => values is not PyDict map
        ? throw new TemplateFault("format requires a mapping")
        : map.TryGetValue(key, out object? value) ? value : throw new TemplateFault($"no key '{key}' to format");

    private static int NumberOf(Group group, int otherwise, Func<object?> next) => !group.Success ? otherwise
        : group.Value == "*" ? next() is long number ? (int)Math.Clamp(number, -Renderer.MaxOutput, Renderer.MaxOutput)
            : throw new TemplateFault("* wants int")
        : group.Value.Length == 0 ? 0
        : int.TryParse(group.Value, NumberStyles.None, CultureInfo.InvariantCulture, out int parsed) ? parsed
        : throw new TemplateFault("width too big");

    private static string One(object? value, string flags, int width, int precision, char type, bool escapes)
    {
        bool left = flags.Contains('-');
        FormatSpec spec = new()
        {
            Sign = flags.Contains('+') ? '+' : flags.Contains(' ') ? ' ' : '-',
            Align = left ? '<' : flags.Contains('0') ? '=' : '>',
            Fill = flags.Contains('0') && !left ? "0" : " ",
            Width = Math.Max(width, 0),
        };
        switch (type)
        {
            case 's' or 'r' or 'a':
                string text = type != 's' ? Printing.Repr(value)
                    : escapes ? Markup.Escape(value).Text
                    : Printing.Str(value);
                return Padded(Cut(text, precision), width, left);
            case 'c':
                return Padded(Character(value), width, left);
            case 'd' or 'i' or 'u' or 'x' or 'X' or 'o':
                BigInteger integer = Integer(value, type);
                string digits = type switch
                {
                    'x' => FloatText.InRadix(BigInteger.Abs(integer), 16),
                    'X' => FloatText.InRadix(BigInteger.Abs(integer), 16).ToUpperInvariant(),
                    'o' => FloatText.InRadix(BigInteger.Abs(integer), 8),
                    _ => PythonNumber.Print(BigInteger.Abs(integer)),
                };
                string prefix = flags.Contains('#') && type is 'x' or 'X' or 'o' ? "0" + type : string.Empty;
                return spec.Signed(integer.Sign < 0, prefix, digits.PadLeft(Math.Max(precision, 0), '0'));
            case 'e' or 'E' or 'f' or 'F' or 'g' or 'G':
                double number = Types.IsNumber(value)
                    ? PythonNumber.AsDouble(value)!.Value
                    : throw new TemplateFault($"must be real number, not {Types.Name(value)}");
                return spec.Signed(
                    double.IsNegative(number) && !double.IsNaN(number),
                    string.Empty,
                    FloatText.Format(Math.Abs(number), type, precision < 0 ? 6 : precision, flags.Contains('#')));
            default:
                throw new TemplateFault($"unsupported format character '{type}'");
        }
    }

    private static BigInteger Integer(object? value, char type) => value switch
    {
        double number when double.IsFinite(number) && type is 'd' or 'i' or 'u' =>
            new BigInteger(Math.Truncate((double)value)),
        Undefined undefined => throw undefined.Fault(),
        _ => PythonNumber.AsInteger(value)
            ?? throw new TemplateFault($"%{type} format: a number is required, not {Types.Name(value)}"),
    };

    private static string Character(object? value) => value switch
    {
        long code and >= 0 and <= 0x10FFFF and not (>= 0xD800 and <= 0xDFFF) => char.ConvertFromUtf32((int)code),
        string text when PythonText.Length(text) == 1 => text,
        _ => throw new TemplateFault("%c requires int or char"),
    };

    private static string Cut(string text, int length) =>
        length >= 0 && length < PythonText.Length(text) ? text[..PythonText.OffsetOf(text, length)] : text;

    private static string Padded(string text, int width, bool left)
    {
        string fill = StringMethods.Fill(" ", width - PythonText.Length(text));
        return fill.Length == 0 ? text : left ? text + fill : fill + text;
    }
}

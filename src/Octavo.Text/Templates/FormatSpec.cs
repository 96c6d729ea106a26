using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;

namespace Octavo.Text.Templates;

/// <summary>Python's format specification: <c>[[fill]align][sign][#][0][width][,][.precision][type]</c>.</summary>
internal sealed partial record FormatSpec
{
    public string Fill { get; init; } = " ";

    public char Align { get; init; }

    public char Sign { get; init; } = '-';

    public bool Alternate { get; init; }

    public int Width { get; init; }

    public char Grouping { get; init; }

    public int Precision { get; init; } = -1;

    public char Type { get; init; }

    [GeneratedRegex(
        @"\A(?:(?<fill>[\uD800-\uDBFF][\uDC00-\uDFFF]|[^\uD800-\uDFFF])?(?<align>[<>=^]))?(?<sign>[-+ ])?(?<alt>\#)?"
        + @"(?<zero>0)?(?<width>[0-9]+)?(?<group>[,_])?(\.(?<precision>[0-9]+))?(?<type>[bcdeEfFgGnosxX%])?\z",
        RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: Renderer.RegexTimeout)]
    private static partial Regex Pattern { get; }

    public static string Format(Renderer renderer, object? value, string spec)
    {
        if (spec.Length == 0)
        {
            return Printing.Str(value);
        }

        Match match = Pattern.Match(spec);
        if (!match.Success)
        {
            throw new TemplateFault($"Invalid format specifier '{spec}'");
        }

        bool zero = match.Groups["zero"].Success;
        FormatSpec parsed = new()
        {
            Fill = match.Groups["fill"] is { Success: true, Value: var fill } ? fill : zero ? "0" : " ",
            Align = match.Groups["align"] is { Success: true, Value: var align } ? align[0] : zero ? '=' : '\0',
            Sign = CharOf(match.Groups["sign"], '-'),
            Alternate = match.Groups["alt"].Success,
            Width = NumberOf(match.Groups["width"], 0),
            Grouping = CharOf(match.Groups["group"], '\0'),
            Precision = NumberOf(match.Groups["precision"], -1),
            Type = CharOf(match.Groups["type"], '\0'),
        };
        renderer.ChargeText(parsed.Width + (long)Math.Max(parsed.Precision, 0));
        return parsed.Apply(value);
    }

    /// <summary>A number with its sign, filled up.</summary>
    public string Signed(bool negative, string prefix, string digits)
    {
        string sign = negative ? "-" : Sign == '-' ? string.Empty : Sign.ToString();
        return Pad(sign + prefix, digits, '>');
    }

    private static char CharOf(Group group, char otherwise) => group.Success ? group.Value[0] : otherwise;

    private static int NumberOf(Group group, int otherwise) => !group.Success ? otherwise
        : int.TryParse(group.Value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number
        : throw new TemplateFault("Too many decimal digits in format string");

    private string Apply(object? value)
    {
        switch (value)
        {
            case string or Markup when Type is '\0' or 's' && Align != '=':
                string text = Printing.AsText(value)!;
                text = Precision >= 0 && Precision < PythonText.Length(text)
                    ? text[..PythonText.OffsetOf(text, Precision)]
                    : text;
                return Pad(string.Empty, text, '<');
            case double number when Type is '\0' or 'e' or 'E' or 'f' or 'F' or 'g' or 'G' or 'n' or '%':
                return OfDouble(number);
            case bool or long or BigInteger when Type is 'e' or 'E' or 'f' or 'F' or 'g' or 'G' or '%':
                return OfDouble(PythonNumber.AsDouble(value)!.Value);
            case bool or long or BigInteger when Type is '\0' or 'd' or 'n' or 'b' or 'o' or 'x' or 'X' or 'c':
                return OfInteger(PythonNumber.AsInteger(value)!.Value);
            default:
                throw new TemplateFault(
                    $"Unknown format code '{Type}' for object of type '{Types.Name(value)}'");
        }
    }

    private string OfInteger(BigInteger value)
    {
        BigInteger size = BigInteger.Abs(value);
        (string digits, string prefix) = Type switch
        {
            'b' => (FloatText.InRadix(size, 2), "0b"),
            'o' => (FloatText.InRadix(size, 8), "0o"),
            'x' => (FloatText.InRadix(size, 16), "0x"),
            'X' => (FloatText.InRadix(size, 16).ToUpperInvariant(), "0X"),
            'c' => (size <= 0x10FFFF && !(size >= 0xD800 && size < 0xE000)
                ? char.ConvertFromUtf32((int)size)
                : throw new TemplateFault("%c arg not in range(0x110000)"), string.Empty),
            _ => (PythonNumber.Print(size), string.Empty),
        };
        return Signed(value.Sign < 0, Alternate ? prefix : string.Empty, Grouped(digits));
    }

    private string OfDouble(double value)
    {
        string digits = Type == '\0' && Precision < 0
            ? PythonNumber.Print(Math.Abs(value))
            : FloatText.Format(Math.Abs(value), Type == '\0' ? 'r' : Type, Precision < 0 ? 6 : Precision, Alternate);
        int end = digits.AsSpan().IndexOfAnyExceptInRange('0', '9');
        end = end < 0 ? digits.Length : end;
        return Signed(
            double.IsNegative(value) && !double.IsNaN(value), string.Empty, Grouped(digits[..end]) + digits[end..]);
    }

    private string Grouped(string digits)
    {
        if (Grouping == '\0')
        {
            return digits;
        }

        int size = Type is 'b' or 'o' or 'x' or 'X' ? 4 : 3;
        for (int i = digits.Length - size; i > 0; i -= size)
        {
            digits = digits.Insert(i, Grouping.ToString());
        }

        return digits;
    }

    private string Pad(string sign, string text, char align)
    {
        int missing = Width - PythonText.Length(sign) - PythonText.Length(text);
        if (missing <= 0)
        {
            return sign + text;
        }

        int left = (Align == '\0' ? align : Align) switch
        {
            '<' => 0,
            '^' => missing / 2,
            _ => missing,
        };
        return Align == '='
            ? sign + StringMethods.Fill(Fill, missing) + text
            : StringMethods.Fill(Fill, left) + sign + text + StringMethods.Fill(Fill, missing - left);
    }
}

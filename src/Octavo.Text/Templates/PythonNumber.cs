using System.Globalization;
using System.Numerics;

namespace Octavo.Text.Templates;

/// <summary>Numbers as Python reads and prints them.</summary>
internal static class PythonNumber
{
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    /// <summary>Digits that an int is printed with, at most; as in Python.</summary>
    private const int MaxDigits = 4300;

    /// <summary>The smaller form of an integer.</summary>
    public static object Normalize(BigInteger value) =>
        value >= long.MinValue && value <= long.MaxValue ? (object)(long)value : value;

    public static BigInteger? AsInteger(object? value) => value switch
    {
        bool flag => flag ? 1 : 0,
        long number => number,
        BigInteger number => number,
        _ => null,
    };

    public static double? AsDouble(object? value) => value switch
    {
        double number => number,
        bool flag => flag ? 1 : 0,
        long number => number,
        BigInteger number when double.IsFinite((double)number) => (double)number,
        BigInteger => throw new TemplateFault("the integer is too large to become a float"),
        _ => null,
    };

    /// <summary>An integer literal: decimal, or with 0x, 0o, 0b.</summary>
    public static object ParseLiteral(string digits)
    {
        int radix = digits.Length < 2 || digits[0] != '0' ? 10 : char.ToLowerInvariant(digits[1]) switch
        {
            'x' => 16,
            'o' => 8,
            'b' => 2,
            _ => 10,
        };
        return ParseInteger(radix == 10 ? digits : digits[2..], radix)
            ?? throw new TemplateFault($"'{digits}' is no integer");
    }

    /// <summary>Digits of a radix, with a sign perhaps; null where they are none.</summary>
    public static object? ParseInteger(string text, int radix)
    {
        ReadOnlySpan<char> digits = text;
        bool negative = digits.StartsWith("-");
        digits = negative || digits.StartsWith("+") ? digits[1..] : digits;
        if (digits.IsEmpty || digits.Length > MaxDigits)
        {
            return null;
        }

        if (radix == 10 && digits.Length < 19)
        {
            return long.TryParse(digits, NumberStyles.None, Invariant, out long small)
                ? negative ? -small : small
                : null;
        }

        BigInteger value = 0;
        foreach (char c in digits)
        {
            int digit = char.IsAsciiDigit(c) ? c - '0'
                : char.IsAsciiLetter(c) ? char.ToLowerInvariant(c) - 'a' + 10
                : 99;
            if (digit >= radix)
            {
                return null;
            }

            value = (value * radix) + digit;
        }

        return Normalize(negative ? -value : value);
    }

    /// <summary>What Python's float() reads; null where it refuses.</summary>
    public static double? ParseFloat(string text)
    {
        string trimmed = PythonText.Trim(text);
        ReadOnlySpan<char> unsigned = trimmed.AsSpan().TrimStart("+-");
        if (trimmed.Length - unsigned.Length > 1 || unsigned.IsEmpty)
        {
            return null;
        }

        double sign = trimmed[0] == '-' ? -1 : 1;
        if (unsigned.Equals("inf", StringComparison.OrdinalIgnoreCase)
            || unsigned.Equals("infinity", StringComparison.OrdinalIgnoreCase))
        {
            return sign * double.PositiveInfinity;
        }

        if (unsigned.Equals("nan", StringComparison.OrdinalIgnoreCase))
        {
            return double.NaN;
        }

        const NumberStyles Style = NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return double.TryParse(WithoutUnderscores(unsigned.ToString()), Style, Invariant, out double value)
            ? sign * value
            : null;
    }

    /// <summary>What Python's int() reads; null where it refuses.</summary>
    public static object? ParseInt(string text, int radix)
    {
        string trimmed = PythonText.Trim(text);
        int sign = trimmed.Length > 0 && trimmed[0] is '-' or '+' ? 1 : 0;
        string prefix = radix switch { 16 => "0x", 8 => "0o", 2 => "0b", _ => string.Empty };
        if (prefix.Length > 0 && trimmed.AsSpan(sign).StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
        {
            trimmed = trimmed.Remove(sign, 2);
        }

        return ParseInteger(WithoutUnderscores(trimmed), radix);
    }

    // One underscore between digits is allowed; any other stays, and is no digit.
    private static string WithoutUnderscores(string text) =>
        text.Contains('_') && !text.Contains("__") && !text.StartsWith('_') && !text.EndsWith('_')
            ? text.Replace("_", string.Empty)
            : text;

    public static string Print(BigInteger value)
    {
        Renderer.ChargeInteger(value.GetBitLength());
        string text = value.ToString(Invariant);
        return text.Length <= MaxDigits + 1
            ? text
            : throw new TemplateFault($"an integer of more than {MaxDigits} digits cannot be printed");
    }

    /// <summary>The shortest digits that read back as the same double, as Python's repr lays them out.</summary>
    public static string Print(double value)
    {
        if (!double.IsFinite(value))
        {
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        }

        if (value == 0)
        {
            return double.IsNegative(value) ? "-0.0" : "0.0";
        }

        string digits = DigitsOf(value.ToString("R", Invariant), out int exponent);
        string sign = value < 0 ? "-" : string.Empty;
        if (exponent is < -4 or >= 16)
        {
            string fraction = digits.Length > 1 ? "." + digits[1..] : string.Empty;
            return string.Create(
                Invariant, $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");
        }

        return exponent < 0 ? $"{sign}0.{new string('0', -exponent - 1)}{digits}"
            : digits.Length <= exponent + 1 ? $"{sign}{digits.PadRight(exponent + 1, '0')}.0"
            : $"{sign}{digits[..(exponent + 1)]}.{digits[(exponent + 1)..]}";
    }

    // The significant digits of a number, and the power of ten of the first.
    private static string DigitsOf(string text, out int exponent)
    {
        string number = text.TrimStart('-');
        int e = number.IndexOf('E');
        exponent = e < 0 ? 0 : int.Parse(number.AsSpan(e + 1), NumberStyles.AllowLeadingSign, Invariant);
        string mantissa = e < 0 ? number : number[..e];
        int point = mantissa.IndexOf('.');
        string digits = point < 0 ? mantissa : mantissa.Remove(point, 1);
        string significant = digits.TrimStart('0');
        exponent += (point < 0 ? mantissa.Length : point) - 1 - (digits.Length - significant.Length);
        significant = significant.TrimEnd('0');
        return significant.Length == 0 ? "0" : significant;
    }
}

using System.Globalization;
using System.Numerics;
using System.Text;

namespace Octavo.Text.Templates;

/// <summary>The digits of numbers in the ways that Python's formats ask for.</summary>
internal static class FloatText
{
    private const int MaxPrecision = 5000;

    /// <summary>A number that is not negative.</summary>
    /// <param name="value">The number.</param>
    /// <param name="type">e, f, g, %; r for what a format without type does; E, F, G in capitals.</param>
    /// <param name="precision">Digits after the point, or for g and r significant ones.</param>
    /// <param name="alternate">Keep the zeros that g drops.</param>
    public static string Format(double value, char type, int precision, bool alternate)
    {
        if (precision > MaxPrecision)
        {
            throw new TemplateFault($"a precision of more than {MaxPrecision} digits");
        }

        if (!double.IsFinite(value))
        {
            string name = double.IsNaN(value) ? "nan" : "inf";
            return (char.IsAsciiLetterUpper(type) ? name.ToUpperInvariant() : name)
                + (type == '%' ? "%" : string.Empty);
        }

        return char.ToLowerInvariant(type) switch
        {
            'e' => Exponential(value, precision, type),
            'f' => ExactDecimal.Fixed(value, precision),
            '%' => ExactDecimal.Fixed(value * 100, precision) + "%",
            _ => General(value, Math.Max(precision, 1), type, alternate),
        };
    }

    public static string InRadix(BigInteger value, int radix)
    {
        if (value.IsZero)
        {
            return "0";
        }

        var digits = new StringBuilder();
        for (; !value.IsZero; value /= radix)
        {
            digits.Insert(0, "0123456789abcdef"[(int)(value % radix)]);
        }

        return digits.ToString();
    }

    private static string Exponential(double value, int precision, char type)
    {
        (string digits, int exponent) = ExactDecimal.Significant(value, precision + 1);
        return WithExponent(digits, exponent, type);
    }

    private static string WithExponent(string digits, int exponent, char type)
    {
        string point = digits.Length > 1 ? "." + digits[1..] : string.Empty;
        char e = char.IsAsciiLetterUpper(type) ? 'E' : 'e';
        return string.Create(
            CultureInfo.InvariantCulture, $"{digits[0]}{point}{e}{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");
    }

    private static string General(double value, int precision, char type, bool alternate)
    {
        (string digits, int exponent) = ExactDecimal.Significant(value, precision);
        bool exponential = exponent < -4 || exponent >= (type == 'r' ? precision - (precision > 1 ? 1 : 0) : precision);
        digits = alternate ? digits : digits.TrimEnd('0').PadRight(1, '0');
        if (exponential)
        {
            return WithExponent(digits, exponent, type);
        }

        if (exponent < 0)
        {
            return "0." + new string('0', -exponent - 1) + digits;
        }

        string whole = digits.Length <= exponent + 1 ? digits.PadRight(exponent + 1, '0') : digits[..(exponent + 1)];
        string fraction = digits.Length <= exponent + 1 ? string.Empty : "." + digits[(exponent + 1)..];
        return whole + (fraction.Length == 0 && type == 'r' ? ".0" : fraction);
    }
}

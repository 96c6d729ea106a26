using System.Numerics;

namespace Octavo.Text.Templates;

/// <summary>A double's exact value in decimal, rounded half to even as Python does.</summary>
internal static class ExactDecimal
{
    /// <summary>The value times a power of ten, rounded to an integer.</summary>
    public static BigInteger Scaled(double value, int digits)
    {
        long bits = BitConverter.DoubleToInt64Bits(Math.Abs(value));
        int exponent = (int)(bits >> 52);
        BigInteger mantissa = (bits & ((1L << 52) - 1)) | (exponent == 0 ? 0 : 1L << 52);
        exponent = Math.Max(exponent, 1) - 1075;
        BigInteger numerator = mantissa << Math.Max(exponent, 0);
        BigInteger denominator = BigInteger.One << Math.Max(-exponent, 0);
        if (digits >= 0)
        {
            numerator *= BigInteger.Pow(10, digits);
        }
        else
        {
            denominator *= BigInteger.Pow(10, -digits);
        }

        BigInteger quotient = BigInteger.DivRem(numerator, denominator, out BigInteger rest);
        int half = (rest * 2).CompareTo(denominator);
        return half > 0 || (half == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }

    /// <summary>The value's size with so many digits after the point, without a sign.</summary>
    public static string Fixed(double value, int digits)
    {
        string text = Scaled(value, digits).ToString().PadLeft(digits + 1, '0');
        return digits == 0 ? text : text.Insert(text.Length - digits, ".");
    }

    /// <summary>So many significant digits of the value's size, and the power of ten of the first.</summary>
    public static (string Digits, int Exponent) Significant(double value, int count)
    {
        if (value == 0)
        {
            return (new string('0', count), 0);
        }

        int exponent = (int)Math.Floor(Math.Log10(Math.Abs(value)));
        for (int tries = 0; ; tries++)
        {
            string digits = Scaled(value, count - 1 - exponent).ToString();
            if (digits.Length == count || tries == 3)
            {
                return (digits[..count], exponent);
            }

            // The logarithm was off by one, or rounding made one more digit.
            exponent += digits.Length > count ? 1 : -1;
        }
    }
}

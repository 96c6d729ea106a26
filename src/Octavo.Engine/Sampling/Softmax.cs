namespace Octavo.Engine.Sampling;

/// <summary>
/// How logits become weights: 2^((x − max) · scale), which is 1 for the greatest and proportional to the probability at
/// a temperature.
/// </summary>
/// <param name="Max">The greatest logit.</param>
/// <param name="Scale">log2(e) over the temperature.</param>
/// <param name="Least">Logits below this weigh nothing: the power of two would leave float32's range.</param>
internal readonly record struct Softmax(float Max, float Scale, float Least)
{
    private const double Log2E = 1.4426950408889634;
    private const double LeastNormal = 2.2250738585072014e-308;
    private const float LeastExponent = -125f;

    /// <summary>That of a row at a temperature above 0.</summary>
    public static Softmax Of(float max, float temperature) => new Softmax(max, ScaleOf(temperature), 0).Limited();

    /// <summary><see cref="Scale"/> at a temperature.</summary>
    public static float ScaleOf(float temperature) => (float)(Log2E / temperature);

    /// <summary>The same weights around another greatest logit.</summary>
    public Softmax Around(float max) => (this with { Max = max }).Limited();

    /// <summary>The least logit whose weight is at least this fraction of the greatest one's.</summary>
    public float LogitOf(double fraction)
    {
        // Rounded up: a logit that is less would weigh less.
        double logit = Max + (Log2(fraction) / Scale);
        float rounded = (float)Math.Max(logit, float.MinValue);
        return rounded < logit ? float.BitIncrement(rounded) : rounded;
    }

    // Additions, multiplications and divisions only, which have the same bits everywhere; a library's logarithm may
    // not.
    private static double Log2(double x)
    {
        if (x < LeastNormal)
        {
            return double.NegativeInfinity;
        }

        long bits = BitConverter.DoubleToInt64Bits(x);
        long exponent = (bits >> 52) - 1023;
        double mantissa = BitConverter.Int64BitsToDouble((bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000);
        if (mantissa > 1.4142135623730951)
        {
            (mantissa, exponent) = (mantissa / 2, exponent + 1);
        }

        // ln m = 2 · artanh((m − 1)/(m + 1)), where the square is at most 0.03.
        double y = (mantissa - 1) / (mantissa + 1);
        double square = y * y;
        double sum = 0;
        for (int k = 23; k >= 1; k -= 2)
        {
            sum = (sum * square) + (1.0 / k);
        }

        return exponent + (2 * y * sum * Log2E);
    }

    private Softmax Limited()
    {
        float least = Math.Max(Max + (LeastExponent / Scale), Math.Max(Max - float.MaxValue, float.MinValue));
        while ((least - Max) * Scale < LeastExponent)
        {
            least = float.BitIncrement(least);
        }

        return this with { Least = least };
    }
}

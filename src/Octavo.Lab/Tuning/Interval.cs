
namespace Octavo.Lab.Tuning;

/// <summary>
/// A mean and how far the true one may be from it, with 95 % confidence (Student's t). NaN for fewer than two values.
/// </summary>
internal readonly record struct Interval(double Mean, double HalfWidth)
{
    // Two-sided 95 % quantiles of t for 1 … 20 degrees of freedom; the normal distribution's beyond are near enough.
    private static readonly double[] Quantiles =
    [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
        2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    ];

    /// <summary>The interval of some measurements.</summary>
    public static Interval Of(IReadOnlyCollection<double> values)
    {
        int n = values.Count;
        if (n == 0)
        {
            return new Interval(double.NaN, double.NaN);
        }

        double mean = values.Average();
        double variance = n < 2 ? double.NaN : values.Sum(v => (v - mean) * (v - mean)) / (n - 1);
        double quantile = n < 2 ? double.NaN : Quantiles[Math.Min(n - 1, Quantiles.Length) - 1];
        return new Interval(mean, quantile * Math.Sqrt(variance / n));
    }
}

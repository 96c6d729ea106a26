using System.Globalization;

namespace Octavo.Lab.Workloads;

/// <summary>How long prompts or outputs are, in tokens.</summary>
internal abstract record LengthDistribution
{
    /// <summary>Draws a length, at least 1.</summary>
    public abstract int Draw(Random random);

    /// <summary>Reads <c>200</c>, <c>uniform:LOW:HIGH</c> or <c>lognormal:MEAN:SIGMA:MOST</c>.</summary>
    /// <exception cref="FormatException">It is none of these.</exception>
    public static LengthDistribution Parse(string text)
    {
        string[] parts = text.Split(':');
        try
        {
            return (parts[0], parts.Length) switch
            {
                ("uniform", 3) => new UniformLength(Int(parts[1]), Int(parts[2])),
                ("lognormal", 4) => new LogNormalLength(Number(parts[1]), Number(parts[2]), Int(parts[3])),
                (_, 1) => new UniformLength(Int(parts[0]), Int(parts[0])),
                _ => throw new FormatException(),
            };
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            throw new FormatException(
                $"a length is N, uniform:LOW:HIGH or lognormal:MEAN:SIGMA:MOST, all at least 1; it is '{text}'", e);
        }
    }

    private static int Int(string text) =>
        int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture) is >= 1 and var n
            ? n
            : throw new FormatException();

    private static double Number(string text) =>
        double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture) is > 0 and < 1e9 and var x
            ? x
            : throw new FormatException();
}

/// <summary>Every length from <paramref name="Low"/> to <paramref name="High"/> alike.</summary>
internal sealed record UniformLength(int Low, int High) : LengthDistribution
{
    /// <inheritdoc/>
    public override int Draw(Random random) => random.Next(Low, Math.Max(Low, High) + 1);
}

/// <summary>A log-normal length, as those of conversations are.</summary>
/// <param name="Mean">The mean before the cut.</param>
/// <param name="Sigma">The standard deviation of the logarithm.</param>
/// <param name="Most">Longer ones are cut to this.</param>
internal sealed record LogNormalLength(double Mean, double Sigma, int Most) : LengthDistribution
{
    /// <inheritdoc/>
    public override int Draw(Random random)
    {
        double median = Mean / Math.Exp(Sigma * Sigma / 2);
        return Math.Clamp((int)Math.Round(median * Math.Exp(Sigma * Draws.Normal(random))), 1, Most);
    }
}

namespace Octavo.Models;

/// <summary>How token positions enter attention.</summary>
internal abstract record PositionSpec;

/// <summary>Rotary embedding of queries and keys (arXiv 2104.09864).</summary>
/// <param name="Theta">The base of the frequencies.</param>
/// <param name="Scaling">Context extension, or null.</param>
internal sealed record RotaryPositions(double Theta, RopeScaling? Scaling) : PositionSpec
{
    /// <summary>Leading elements of a head that are rotated; null is all of them.</summary>
    public int? Dims { get; init; }

    /// <summary>
    /// Whether neighbours (2i, 2i + 1) are pairs, as in GPT-J; else halves, (i, i + dims/2), as in GPT-NeoX.
    /// </summary>
    public bool Interleaved { get; init; }

    /// <summary>Whether pairs turn the other way, by negative angles (nanochat).</summary>
    public bool Reversed { get; init; }

    /// <summary>What sines and cosines are multiplied with.</summary>
    public double AttentionFactor => Scaling?.AttentionFactor ?? 1;

    /// <summary>The elements of a head that are rotated.</summary>
    public int RotatedOf(int headDim) => Dims ?? headDim;

    /// <summary>The angle per position of each pair, after scaling.</summary>
    public double[] InverseFrequencies(int headDim)
    {
        int dims = RotatedOf(headDim);
        var frequencies = new double[dims / 2];
        for (int i = 0; i < frequencies.Length; i++)
        {
            double frequency = Math.Pow(Theta, -2.0 * i / dims);
            double scaled = Scaling?.Apply(frequency, i, frequencies.Length, Theta) ?? frequency;
            frequencies[i] = Reversed ? -scaled : scaled;
        }

        return frequencies;
    }
}

/// <summary>
/// No embedding: each score gets the key's distance (a negative number) times its head's slope (ALiBi, arXiv
/// 2108.12409).
/// </summary>
internal sealed record AlibiPositions : PositionSpec
{
    /// <summary>
    /// The slope of a head: powers of <c>2^(−8/n)</c> for n heads, n a power of two; otherwise those of the next lower
    /// power of two, followed by every other one of the next higher.
    /// </summary>
    public static double Slope(int head, int heads)
    {
        int lower = 1 << int.Log2(heads);
        return head < lower
            ? Math.Pow(2, -8.0 * (head + 1) / lower)
            : Math.Pow(2, -8.0 * ((2 * (head - lower)) + 1) / (2.0 * lower));
    }
}

/// <summary>A rule that changes rotary frequencies to extend the context.</summary>
internal abstract record RopeScaling
{
    /// <summary>What sines and cosines are multiplied with.</summary>
    public virtual double AttentionFactor => 1;

    /// <summary>The scaled frequency of a pair.</summary>
    /// <param name="frequency">Its unscaled frequency, in radians per position.</param>
    /// <param name="pair">Its number.</param>
    /// <param name="pairs">Pairs of a head.</param>
    /// <param name="theta">The base of the frequencies.</param>
    public abstract double Apply(double frequency, int pair, int pairs, double theta);
}

/// <summary>Position interpolation (arXiv 2306.15595): every frequency divided by a factor.</summary>
internal sealed record LinearRopeScaling(double Factor) : RopeScaling
{
    /// <inheritdoc/>
    public override double Apply(double frequency, int pair, int pairs, double theta) => frequency / Factor;
}

/// <summary>
/// Gemma 4's rule: of the pairs of a whole head, leading ones turn, and the others stay as they are.
/// </summary>
/// <param name="Part">The part of the pairs that turn.</param>
/// <param name="Factor">What their frequencies are divided by.</param>
internal sealed record ProportionalRopeScaling(double Part, double Factor) : RopeScaling
{
    /// <inheritdoc/>
    public override double Apply(double frequency, int pair, int pairs, double theta) =>
        pair < (int)(Part * pairs) ? frequency / Factor : 0;
}

/// <summary>
/// Llama 3.1's rule: wavelengths longer than <c>original / low</c> are interpolated, shorter than
/// <c>original / high</c> are kept, and those between are blended.
/// </summary>
internal sealed record Llama3RopeScaling(
    double Factor, double LowFrequencyFactor, double HighFrequencyFactor, int OriginalMaxPositionEmbeddings)
    : RopeScaling
{
    /// <inheritdoc/>
    public override double Apply(double frequency, int pair, int pairs, double theta)
    {
        double wavelength = 2.0 * Math.PI / frequency;
        double turns = OriginalMaxPositionEmbeddings / wavelength;
        double blend = Math.Clamp((turns - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor), 0.0, 1.0);
        return ((1.0 - blend) * frequency / Factor) + (blend * frequency);
    }
}

/// <summary>
/// YaRN (arXiv 2309.00071): pairs that turn often within the original context keep their frequency, those that turn
/// seldom are interpolated, and a ramp blends those between; scores are sharpened by <see cref="AttentionFactor"/>.
/// </summary>
/// <param name="Factor">By how much the context is extended.</param>
/// <param name="BetaFast">Turns from which on a pair keeps its frequency.</param>
/// <param name="BetaSlow">Turns up to which it is interpolated.</param>
/// <param name="OriginalMaxPositionEmbeddings">The context that the model was trained with.</param>
/// <param name="Sharpening">What sines and cosines are multiplied with.</param>
/// <param name="Truncate">Whether the ramp begins and ends at whole pairs.</param>
internal sealed record YarnRopeScaling(
    double Factor, double BetaFast, double BetaSlow, int OriginalMaxPositionEmbeddings, double Sharpening,
    bool Truncate)
    : RopeScaling
{
    /// <inheritdoc/>
    public override double AttentionFactor => Sharpening;

    /// <inheritdoc/>
    public override double Apply(double frequency, int pair, int pairs, double theta)
    {
        double low = PairOf(BetaFast, pairs, theta), high = PairOf(BetaSlow, pairs, theta);
        if (Truncate)
        {
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        }

        (low, high) = (Math.Max(low, 0), Math.Min(high, (2 * pairs) - 1));
        high = low == high ? high + 0.001 : high;
        double interpolated = Math.Clamp((pair - low) / (high - low), 0, 1);
        return (frequency / Factor * interpolated) + (frequency * (1 - interpolated));
    }

    // The pair that turns so often within the original context.
    private double PairOf(double turns, int pairs, double theta) =>
        pairs * Math.Log(OriginalMaxPositionEmbeddings / (turns * 2 * Math.PI)) / Math.Log(theta);
}

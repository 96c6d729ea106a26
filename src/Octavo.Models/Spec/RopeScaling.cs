namespace Octavo.Models;

/// <summary>A rule that changes rotary frequencies to extend the context.</summary>
internal abstract record RopeScaling
{
    /// <summary>What sines and cosines are multiplied with.</summary>
    public virtual double AttentionFactor => 1;

    /// <summary>
    /// The longest sequence that the rule leaves as the model was trained, where longer ones change it for all; null
    /// where it is the same at every length.
    /// </summary>
    public virtual int? UnchangedUpTo => null;

    /// <summary>The longest sequence that it reaches, of a model made for so many positions.</summary>
    public virtual int Reach(int maxPositions) => maxPositions;

    /// <summary>The rule of a model that is loaded for sequences of up to a length.</summary>
    public virtual RopeScaling ForLength(int maxModelLen) => this;

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

/// <summary>
/// LongRoPE (arXiv 2402.13753): each pair's frequency is divided by a factor of its own, one for the context that the
/// model was trained with, another one where it is extended.
/// </summary>
/// <param name="ShortFactors">Divisors within the original context, one a pair.</param>
/// <param name="LongFactors">Divisors beyond it.</param>
/// <param name="OriginalMaxPositionEmbeddings">The context that the model was trained with.</param>
/// <param name="Sharpening">What sines and cosines are multiplied with, at every length.</param>
internal sealed record LongRopeScaling(
    IReadOnlyList<double> ShortFactors, IReadOnlyList<double> LongFactors, int OriginalMaxPositionEmbeddings,
    double Sharpening)
    : RopeScaling
{
    /// <summary>Whether the divisors are those of the extended context.</summary>
    public bool Extended { get; init; }

    /// <inheritdoc/>
    public override double AttentionFactor => Sharpening;

    /// <inheritdoc/>
    public override int? UnchangedUpTo => OriginalMaxPositionEmbeddings;

    /// <inheritdoc/>
    public override RopeScaling ForLength(int maxModelLen) =>
        this with { Extended = maxModelLen > OriginalMaxPositionEmbeddings };

    /// <inheritdoc/>
    public override double Apply(double frequency, int pair, int pairs, double theta) =>
        frequency / (Extended ? LongFactors : ShortFactors)[pair];
}

/// <summary>
/// Dynamic NTK: nothing within the model's context; beyond it, a larger base of the frequencies, so that the slowest
/// pair turns no further than it would over the model's context, and the fastest keeps its frequency.
/// </summary>
/// <param name="Factor">How fast the base grows with the length.</param>
/// <param name="MaxPositionEmbeddings">The model's context.</param>
internal sealed record DynamicRopeScaling(double Factor, int MaxPositionEmbeddings) : RopeScaling
{
    /// <summary>The length that the base is made for.</summary>
    public int Length { get; init; } = MaxPositionEmbeddings;

    /// <inheritdoc/>
    public override int? UnchangedUpTo => MaxPositionEmbeddings;

    /// <inheritdoc/>
    public override int Reach(int maxPositions) => (int)Math.Min(int.MaxValue, Factor * maxPositions);

    /// <inheritdoc/>
    public override RopeScaling ForLength(int maxModelLen) =>
        this with { Length = Math.Max(MaxPositionEmbeddings, maxModelLen) };

    /// <inheritdoc/>
    public override double Apply(double frequency, int pair, int pairs, double theta) =>
        NtkRopeScaling.Slowed(frequency, pair, pairs, (Factor * Length / MaxPositionEmbeddings) - (Factor - 1));
}

/// <summary>A larger base of the frequencies at every length.</summary>
/// <param name="Alpha">By how much the slowest pair is slowed down.</param>
internal sealed record NtkRopeScaling(double Alpha) : RopeScaling
{
    /// <inheritdoc/>
    public override double Apply(double frequency, int pair, int pairs, double theta) =>
        Slowed(frequency, pair, pairs, Alpha);

    /// <summary>
    /// The frequency where the base is multiplied with <c>stretch ^ (dims / (dims − 2))</c>: the base has the exponent
    /// <c>−2 · pair / dims</c>.
    /// </summary>
    public static double Slowed(double frequency, int pair, int pairs, double stretch) =>
        pair == 0 ? frequency : frequency * Math.Pow(stretch, -(double)pair / (pairs - 1));
}

/// <summary>
/// Partial rotation over the whole head (Gemma 4): frequencies are those of all pairs, but only the first pairs turn.
/// </summary>
/// <param name="Rotated">Pairs that turn.</param>
/// <param name="Factor">What their frequencies are divided by.</param>
internal sealed record ProportionalRopeScaling(int Rotated, double Factor) : RopeScaling
{
    /// <inheritdoc/>
    public override double Apply(double frequency, int pair, int pairs, double theta) =>
        pair < Rotated ? frequency / Factor : 0;
}

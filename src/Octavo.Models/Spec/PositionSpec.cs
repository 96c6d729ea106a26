namespace Octavo.Models;

/// <summary>How token positions enter attention.</summary>
internal abstract record PositionSpec;

/// <summary>Rotary embedding of queries and keys (arXiv 2104.09864), pairs (i, i + headDim/2).</summary>
/// <param name="Theta">The base of the frequencies.</param>
/// <param name="Scaling">Context extension, or null.</param>
internal sealed record RotaryPositions(double Theta, RopeScaling? Scaling) : PositionSpec
{
    /// <summary>The angle per position of each of the <c>headDim / 2</c> pairs, after scaling.</summary>
    public double[] InverseFrequencies(int headDim)
    {
        var frequencies = new double[headDim / 2];
        for (int i = 0; i < frequencies.Length; i++)
        {
            double frequency = Math.Pow(Theta, -2.0 * i / headDim);
            frequencies[i] = Scaling?.Apply(frequency) ?? frequency;
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
    /// <summary>The scaled frequency of a pair whose unscaled frequency (radians per position) is given.</summary>
    public abstract double Apply(double frequency);
}

/// <summary>Position interpolation (arXiv 2306.15595): every frequency divided by a factor.</summary>
internal sealed record LinearRopeScaling(double Factor) : RopeScaling
{
    /// <inheritdoc/>
    public override double Apply(double frequency) => frequency / Factor;
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
    public override double Apply(double frequency)
    {
        double wavelength = 2.0 * Math.PI / frequency;
        double turns = OriginalMaxPositionEmbeddings / wavelength;
        double blend = Math.Clamp((turns - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor), 0.0, 1.0);
        return ((1.0 - blend) * frequency / Factor) + (blend * frequency);
    }
}

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

    /// <summary>The positions of a model that is loaded for sequences of up to a length.</summary>
    public RotaryPositions ForLength(int maxModelLen) =>
        Scaling is null ? this : this with { Scaling = Scaling.ForLength(maxModelLen) };

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

namespace Octavo.Models;

/// <summary>A normalization layer.</summary>
/// <param name="Kind">Its formula.</param>
/// <param name="Names">Its tensors.</param>
/// <param name="Epsilon">Added to the mean square (RMSNorm) or variance (LayerNorm) before the root.</param>
/// <param name="Width">Numbers that are normed together.</param>
internal sealed record NormSpec(NormKind Kind, NormTensors Names, float Epsilon, int Width)
{
    /// <summary>Added to the stored weight: 1 where that is the difference from 1 (Gemma, Nemotron).</summary>
    public float WeightOffset { get; init; }

    /// <summary>
    /// So many weights stand one behind another, <c>[heads, width]</c>, where heads are normed each with its own.
    /// </summary>
    public int Heads { get; init; } = 1;
}

/// <summary>
/// A norm's tensor names: weight <c>[width]</c>, or null where it is all ones; bias <c>[width]</c> or null.
/// </summary>
internal sealed record NormTensors(string? Weight, string? Bias)
{
    /// <summary>The tensors.</summary>
    public IEnumerable<string> All => new[] { Weight, Bias }.OfType<string>();
}

/// <summary>The kind of a normalization layer.</summary>
internal enum NormKind
{
    /// <summary>Root mean square norm: <c>x / sqrt(mean(x²) + ε) · w</c> (arXiv 1910.07467).</summary>
    Rms,

    /// <summary>Layer norm: <c>(x − mean) / sqrt(var + ε) · w + b</c> (arXiv 1607.06450).</summary>
    Layer,
}

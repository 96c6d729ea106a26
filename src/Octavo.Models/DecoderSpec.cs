namespace Octavo.Models;

/// <summary>
/// What a decoder-only transformer is, as data: widths, norms, positions, activations, and the names of its tensors.
/// A model family maps <c>config.json</c> onto it; a runner interprets it. No code belongs here.
/// </summary>
public sealed record DecoderSpec
{
    /// <summary>The Hugging Face architecture name, such as <c>LlamaForCausalLM</c>.</summary>
    public required string Architecture { get; init; }

    /// <summary>Rows of the token embedding and of the output head.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the token embedding; differs from <see cref="HiddenSize"/> only where projections stand between.</summary>
    public required int EmbeddingSize { get; init; }

    /// <summary>Width of the MLP's inner layer.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of decoder layers.</summary>
    public required int NumLayers { get; init; }

    /// <summary>Number of query heads.</summary>
    public required int NumHeads { get; init; }

    /// <summary>Number of key-value heads; divides <see cref="NumHeads"/> (grouped-query attention).</summary>
    public required int NumKvHeads { get; init; }

    /// <summary>Width of one head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>The longest sequence the model was made for, in tokens.</summary>
    public required int MaxPositionEmbeddings { get; init; }

    /// <summary>The kind of every normalization layer.</summary>
    public required NormKind NormKind { get; init; }

    /// <summary>Added to the mean square (RMSNorm) or variance (LayerNorm) before the root.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>Whether norms stand before each sublayer or after its residual addition.</summary>
    public NormPlacement NormPlacement { get; init; } = NormPlacement.Pre;

    /// <summary>The MLP's activation function.</summary>
    public required Activation Activation { get; init; }

    /// <summary>True for <c>down(act(gate(x)) * up(x))</c>, false for <c>down(act(up(x)))</c>.</summary>
    public required bool GatedMlp { get; init; }

    /// <summary>How positions enter the model.</summary>
    public required PositionSpec Positions { get; init; }

    /// <summary>What dot products of queries and keys are multiplied with; null is <c>1 / sqrt(HeadDim)</c>.</summary>
    public float? AttentionScale { get; init; }

    /// <summary>Attention scores become <c>cap · tanh(score / cap)</c> (Gemma 2's <c>attn_logit_softcapping</c>); null leaves them.</summary>
    public float? AttentionSoftCap { get; init; }

    /// <summary>
    /// How many positions, its own included, a token of each layer attends to (Mistral's <c>sliding_window</c>); null in a
    /// layer is all before it, null altogether is so in every layer.
    /// </summary>
    public IReadOnlyList<int?>? SlidingWindows { get; init; }

    /// <summary>Where each weight stands in the checkpoint.</summary>
    public required DecoderTensors Tensors { get; init; }
}

/// <summary>The kind of a normalization layer.</summary>
public enum NormKind
{
    /// <summary>Root mean square norm: <c>x / sqrt(mean(x²) + ε) · w</c> (arXiv 1910.07467).</summary>
    Rms,

    /// <summary>Layer norm: <c>(x − mean) / sqrt(var + ε) · w + b</c> (arXiv 1607.06450).</summary>
    Layer,
}

/// <summary>Where a layer's norms stand.</summary>
public enum NormPlacement
{
    /// <summary><c>x + f(norm(x))</c></summary>
    Pre,

    /// <summary><c>norm(x + f(x))</c></summary>
    Post,
}

/// <summary>An activation function.</summary>
public enum Activation
{
    /// <summary><c>x · sigmoid(x)</c></summary>
    Silu,

    /// <summary><c>max(x, 0)</c></summary>
    Relu,
}

/// <summary>How token positions enter the model.</summary>
public abstract record PositionSpec;

/// <summary>A learned table, added to the token embedding; row <c>position + Offset</c> (OPT: offset 2).</summary>
public sealed record LearnedPositions(int Offset) : PositionSpec;

/// <summary>Rotary embedding of queries and keys (arXiv 2104.09864), pairs (i, i + headDim/2).</summary>
/// <param name="Theta">The base of the frequencies.</param>
/// <param name="Scaling">Context extension, or null.</param>
public sealed record RotaryPositions(double Theta, RopeScaling? Scaling) : PositionSpec
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
/// No embedding: each score gets the key's distance (a negative number) times its head's slope (ALiBi, arXiv 2108.12409).
/// </summary>
public sealed record AlibiPositions : PositionSpec
{
    /// <summary>
    /// The slope of a head: powers of <c>2^(−8/n)</c> for n heads, n a power of two; otherwise those of the next lower power
    /// of two, followed by every other one of the next higher.
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
public abstract record RopeScaling
{
    /// <summary>The scaled frequency of a pair whose unscaled frequency (radians per position) is given.</summary>
    public abstract double Apply(double frequency);
}

/// <summary>Position interpolation (arXiv 2306.15595): every frequency divided by a factor.</summary>
public sealed record LinearRopeScaling(double Factor) : RopeScaling
{
    /// <inheritdoc/>
    public override double Apply(double frequency) => frequency / Factor;
}

/// <summary>
/// Llama 3.1's rule: wavelengths longer than <c>original / low</c> are interpolated, shorter than
/// <c>original / high</c> are kept, and those between are blended.
/// </summary>
public sealed record Llama3RopeScaling(
    double Factor, double LowFrequencyFactor, double HighFrequencyFactor, int OriginalMaxPositionEmbeddings) : RopeScaling
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

/// <summary>A linear layer's tensor names: weight <c>[out, in]</c>, bias <c>[out]</c> or null.</summary>
public sealed record LinearTensors(string Weight, string? Bias);

/// <summary>A norm's tensor names: weight <c>[width]</c>, bias <c>[width]</c> or null.</summary>
public sealed record NormTensors(string Weight, string? Bias);

/// <summary>One decoder layer's tensor names.</summary>
public sealed record LayerTensors
{
    /// <summary>The norm of the attention sublayer.</summary>
    public required NormTensors AttentionNorm { get; init; }

    /// <summary>Query projection, <c>[heads · headDim, hidden]</c>.</summary>
    public required LinearTensors Query { get; init; }

    /// <summary>Key projection, <c>[kvHeads · headDim, hidden]</c>.</summary>
    public required LinearTensors Key { get; init; }

    /// <summary>Value projection, <c>[kvHeads · headDim, hidden]</c>.</summary>
    public required LinearTensors Value { get; init; }

    /// <summary>Output projection, <c>[hidden, heads · headDim]</c>.</summary>
    public required LinearTensors Output { get; init; }

    /// <summary>The norm of the MLP sublayer.</summary>
    public required NormTensors MlpNorm { get; init; }

    /// <summary>Gate projection, <c>[intermediate, hidden]</c>; null where the MLP is not gated.</summary>
    public LinearTensors? Gate { get; init; }

    /// <summary>Up projection, <c>[intermediate, hidden]</c>.</summary>
    public required LinearTensors Up { get; init; }

    /// <summary>Down projection, <c>[hidden, intermediate]</c>.</summary>
    public required LinearTensors Down { get; init; }
}

/// <summary>Every tensor name of a decoder.</summary>
public sealed record DecoderTensors
{
    /// <summary>Token embedding, <c>[vocab, embeddingSize]</c>.</summary>
    public required string TokenEmbedding { get; init; }

    /// <summary>Learned position table, <c>[maxPositions + offset, hidden]</c>, or null.</summary>
    public string? PositionEmbedding { get; init; }

    /// <summary>From embedding to residual width, <c>[hidden, embeddingSize]</c>, or null.</summary>
    public LinearTensors? ProjectIn { get; init; }

    /// <summary>From residual to embedding width, <c>[embeddingSize, hidden]</c>, or null.</summary>
    public LinearTensors? ProjectOut { get; init; }

    /// <summary>The layers, first to last.</summary>
    public required IReadOnlyList<LayerTensors> Layers { get; init; }

    /// <summary>The norm after the last layer, or null.</summary>
    public NormTensors? FinalNorm { get; init; }

    /// <summary>Output head, <c>[vocab, embeddingSize]</c>; null where it is tied to <see cref="TokenEmbedding"/>.</summary>
    public LinearTensors? OutputHead { get; init; }
}

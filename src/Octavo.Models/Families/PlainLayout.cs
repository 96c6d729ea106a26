using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// A decoder as GPT-2 made them: layer norms with biases and an MLP without a gate, whose tensors each family names as
/// it likes.
/// </summary>
internal sealed record PlainLayout
{
    /// <summary>The architecture's name.</summary>
    public required string Architecture { get; init; }

    /// <summary>What names begin with; files of the bare model lack it.</summary>
    public required string Root { get; init; }

    /// <summary>The token embedding's module.</summary>
    public required string Embedding { get; init; }

    /// <summary>The module of the list of layers.</summary>
    public required string Layers { get; init; }

    /// <summary>The module of the norm before attention.</summary>
    public required string AttentionNorm { get; init; }

    /// <summary>The module of the norm before the MLP.</summary>
    public required string MlpNorm { get; init; }

    /// <summary>The module of the norm behind the layers.</summary>
    public required string FinalNorm { get; init; }

    /// <summary>Queries, keys and values of the layer that the names begin with.</summary>
    public required Func<string, (LinearTensors Query, LinearTensors Key, LinearTensors Value)> Projections
    {
        get;
        init;
    }

    /// <summary>The module of attention's output.</summary>
    public required string AttentionOutput { get; init; }

    /// <summary>The module of the MLP's first layer.</summary>
    public required string Up { get; init; }

    /// <summary>The module of its last.</summary>
    public required string Down { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int Hidden { get; init; }

    /// <summary>Layers.</summary>
    public required int NumLayers { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key-value heads.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Width of the MLP's inner layer.</summary>
    public required int Intermediate { get; init; }

    /// <summary>The longest sequence.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>The norms' epsilon.</summary>
    public required double Epsilon { get; init; }

    /// <summary>The activation.</summary>
    public required Activation Activation { get; init; }

    /// <summary>Whether norms have a bias.</summary>
    public bool NormBias { get; init; } = true;

    /// <summary>Whether attention's output has a bias.</summary>
    public bool AttentionOutputBias { get; init; } = true;

    /// <summary>Whether the MLP's layers have one.</summary>
    public bool MlpBias { get; init; } = true;

    /// <summary>Whether matrices are stored <c>[in, out]</c>.</summary>
    public bool Transposed { get; init; }

    /// <summary>How positions enter attention.</summary>
    public PositionSpec? Positions { get; init; }

    /// <summary>The module of learned positions, or null.</summary>
    public string? LearnedPositions { get; init; }

    /// <summary>Width of a head.</summary>
    public int HeadDim => Hidden / Heads;

    /// <summary>Sizes by the names of GPT-2's config.</summary>
    public static (int Hidden, int Layers, int Heads, int Intermediate) Sizes(
        ConfigReader config, string hidden = "n_embd", string layers = "n_layer", string heads = "n_head",
        string intermediate = "n_inner")
    {
        int width = config.Size(hidden, ConfigLimits.Width);
        int numHeads = config.Size(heads, ConfigLimits.Heads);
        if (width % numHeads != 0)
        {
            throw config.Invalid(heads, $"is {numHeads}; it must divide {hidden}, {width}");
        }

        return (
            width, config.Size(layers, ConfigLimits.Layers), numHeads,
            config.Integer(intermediate, 1, ConfigLimits.Width) ?? 4 * width);
    }

    /// <summary>The decoder.</summary>
    public DecoderSpec Read(ConfigReader config, TensorNames names, LinearTensors? head)
    {
        string root = names.Contains($"{Embedding}.weight") ? "" : Root;
        return new DecoderSpec
        {
            Architecture = Architecture,
            VocabSize = config.Size("vocab_size", ConfigLimits.Vocabulary),
            HiddenSize = Hidden,
            EmbeddingSize = Hidden,
            MaxPositionEmbeddings = MaxPositions,
            TokenEmbedding = $"{root}{Embedding}.weight",
            LearnedPositions = LearnedPositions is null
                ? null
                : new LearnedPositions($"{root}{LearnedPositions}.weight", 0),
            Layers = [.. Enumerable.Range(0, NumLayers).Select(i => Layer($"{root}{Layers}.{i}."))],
            FinalNorm = Norm($"{root}{FinalNorm}"),
            OutputHead = head,
        };
    }

    private LayerSpec Layer(string layer)
    {
        (LinearTensors query, LinearTensors key, LinearTensors value) = Projections(layer);
        return new LayerSpec(
        [
            new AttentionSpec
            {
                Width = Hidden,
                NormBefore = Norm(layer + AttentionNorm),
                NumHeads = Heads,
                NumKvHeads = KvHeads,
                HeadDim = HeadDim,
                Positions = Positions,
                Query = query,
                Key = key,
                Value = value,
                Output = Linear(layer + AttentionOutput, AttentionOutputBias),
            },
            new FeedForwardSpec
            {
                Width = Hidden,
                NormBefore = Norm(layer + MlpNorm),
                IntermediateSize = Intermediate,
                Activation = Activation,
                Up = Linear(layer + Up, MlpBias),
                Down = Linear(layer + Down, MlpBias),
            },
        ]);
    }

    private LinearTensors Linear(string module, bool bias) =>
        LlamaLayout.Linear(module, bias) with { Transposed = Transposed };

    private NormSpec Norm(string module) => new(
        NormKind.Layer,
        new NormTensors($"{module}.weight", NormBias ? $"{module}.bias" : null),
        (float)Epsilon,
        Hidden);
}

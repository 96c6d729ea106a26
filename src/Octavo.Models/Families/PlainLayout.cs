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

    /// <summary>What its parts are called.</summary>
    public required PlainNames Names { get; init; }

    /// <summary>Its sizes.</summary>
    public required PlainSizes Sizes { get; init; }

    /// <summary>Queries, keys and values of the layer that the names begin with.</summary>
    public required Func<string, (LinearTensors Query, LinearTensors Key, LinearTensors Value)> Projections
    {
        get;
        init;
    }

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

    /// <summary>The decoder.</summary>
    public DecoderSpec Read(ConfigReader config, TensorNames names, LinearTensors? head)
    {
        string root = names.Contains($"{Names.Embedding}.weight") ? "" : Names.Root;
        return new DecoderSpec
        {
            Architecture = Architecture,
            VocabSize = config.Size("vocab_size", ConfigLimits.Vocabulary),
            HiddenSize = Sizes.Hidden,
            EmbeddingSize = Sizes.Hidden,
            MaxPositionEmbeddings = MaxPositions,
            TokenEmbedding = $"{root}{Names.Embedding}.weight",
            LearnedPositions = LearnedPositions is null
                ? null
                : new LearnedPositions($"{root}{LearnedPositions}.weight", 0),
            Layers = [.. Enumerable.Range(0, Sizes.NumLayers).Select(i => Layer($"{root}{Names.Layers}.{i}."))],
            FinalNorm = Norm($"{root}{Names.FinalNorm}"),
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
                Width = Sizes.Hidden,
                NormBefore = Norm(layer + Names.AttentionNorm),
                NumHeads = Sizes.Heads,
                NumKvHeads = Sizes.KvHeads,
                HeadDim = Sizes.HeadDim,
                Positions = Positions,
                Query = query,
                Key = key,
                Value = value,
                Output = Linear(layer + Names.AttentionOutput, AttentionOutputBias),
            },
            new FeedForwardSpec
            {
                Width = Sizes.Hidden,
                NormBefore = Norm(layer + Names.MlpNorm),
                IntermediateSize = Sizes.Intermediate,
                Activation = Activation,
                Up = Linear(layer + Names.Up, MlpBias),
                Down = Linear(layer + Names.Down, MlpBias),
            },
        ]);
    }

    private LinearTensors Linear(string module, bool bias) =>
        LlamaLayout.Linear(module, bias) with { Transposed = Transposed };

    private NormSpec Norm(string module) => new(
        NormKind.Layer,
        new NormTensors($"{module}.weight", NormBias ? $"{module}.bias" : null),
        (float)Epsilon,
        Sizes.Hidden);
}

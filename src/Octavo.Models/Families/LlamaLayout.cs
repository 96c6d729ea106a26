using Octavo.Formats;

namespace Octavo.Models;

/// <summary>In what a family of Llama's tensor names departs from Llama, where every layer does.</summary>
internal sealed record LlamaTraits
{
    /// <summary>The kind of all norms.</summary>
    public NormKind Norm { get; init; } = NormKind.Rms;

    /// <summary>The config's field of the norms' epsilon.</summary>
    public string EpsilonField { get; init; } = "rms_norm_eps";

    /// <summary>The norms' epsilon where the config states none.</summary>
    public double Epsilon { get; init; } = 1e-6;

    /// <summary>Whether norms have a bias.</summary>
    public bool NormBias { get; init; }

    /// <summary>What is added to the norms' weights.</summary>
    public float NormOffset { get; init; }

    /// <summary>Whether queries, keys and values have a bias.</summary>
    public bool QueryKeyValueBias { get; init; }

    /// <summary>Whether attention's output has one.</summary>
    public bool AttentionOutputBias { get; init; }

    /// <summary>Whether the MLP's layers have one.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Whether the MLP has a gate.</summary>
    public bool Gated { get; init; } = true;

    /// <summary>Width of a head where the config states none; null divides the hidden size by the heads.</summary>
    public int? HeadDim { get; init; }

    /// <summary>Key-value heads where the config states none; null is as many as query heads.</summary>
    public int? KvHeads { get; init; }

    /// <summary>Sizes where the config states none; null requires that it does.</summary>
    public DefaultSizes? Defaults { get; init; }

    /// <summary>The config's field of the activation.</summary>
    public string ActivationField { get; init; } = "hidden_act";

    /// <summary>The activation where the config states none.</summary>
    public Activation Activation { get; init; } = Activation.Silu;

    /// <summary>How rotary positions are where the config states nothing.</summary>
    public RotaryTraits Rotary { get; init; } = new();
}

/// <summary>Sizes that published configs of a family leave out.</summary>
internal sealed record DefaultSizes(int VocabSize, int NumHeads, int MaxPositions);

/// <summary>
/// A decoder whose tensors are named as Llama's, from a config whose fields are: what most families share. What sets
/// one apart is mapped over the layers that this gives.
/// </summary>
internal static class LlamaLayout
{
    private const string KvHeadsField = "num_key_value_heads";
    private const string BesideOtherParts = "language_model.model.";

    // The bare model, the usual one, and the text beside a vision tower, as transformers 5 and 4 write it.
    private static readonly string[] Prefixes = ["", "model.", "model.language_model.", BesideOtherParts];

    /// <summary>The decoder of Llama's form, with a family's traits.</summary>
    public static DecoderSpec Read(
        ConfigReader config, TensorNames names, string architecture, bool tiesHead, LlamaTraits traits)
    {
        int hidden = config.Size("hidden_size", ConfigLimits.Width);
        int heads = Size("num_attention_heads", ConfigLimits.Heads, traits.Defaults?.NumHeads);
        int kvHeads = Supported.KvHeads(
            config, KvHeadsField,
            config.Integer(KvHeadsField, 1, ConfigLimits.Heads)
                ?? (config.States(KvHeadsField) ? heads : traits.KvHeads ?? heads),
            heads);

        const string Embedding = "embed_tokens.weight";
        string prefix = Array.Find(Prefixes, p => names.Contains(p + Embedding)) ?? "model.";
        float epsilon = (float)(config.Positive(traits.EpsilonField) ?? traits.Epsilon);
        int intermediate = config.Size("intermediate_size", ConfigLimits.Width);
        int headDim = HeadDim(config, hidden, heads, traits.HeadDim);
        RotaryPositions positions = RotaryConfig.Read(config, "full_attention", headDim, traits.Rotary);
        Activation activation = ActivationConfig.Read(config, traits.ActivationField, traits.Activation);
        return new DecoderSpec
        {
            Architecture = architecture,
            VocabSize = Size("vocab_size", ConfigLimits.Vocabulary, traits.Defaults?.VocabSize),
            HiddenSize = hidden,
            EmbeddingSize = hidden,
            MaxPositionEmbeddings =
                Size("max_position_embeddings", ConfigLimits.Positions, traits.Defaults?.MaxPositions),
            TokenEmbedding = prefix + Embedding,
            Layers = [.. Enumerable.Range(0, config.Size("num_hidden_layers", ConfigLimits.Layers))
                .Select(i => Layer($"{prefix}layers.{i}."))],
            FinalNorm = Norm($"{prefix}norm"),
            OutputHead = TiedHead.Read(
                config, names, tiesHead,
                prefix == BesideOtherParts ? "language_model.lm_head" : "lm_head"),
        };

        LayerSpec Layer(string layer) => new(
        [
            new AttentionSpec
            {
                Width = hidden,
                NormBefore = Norm($"{layer}input_layernorm"),
                NumHeads = heads,
                NumKvHeads = kvHeads,
                HeadDim = headDim,
                Positions = positions,
                Query = Linear($"{layer}self_attn.q_proj", traits.QueryKeyValueBias),
                Key = Linear($"{layer}self_attn.k_proj", traits.QueryKeyValueBias),
                Value = Linear($"{layer}self_attn.v_proj", traits.QueryKeyValueBias),
                Output = Linear($"{layer}self_attn.o_proj", traits.AttentionOutputBias),
                CacheScales = $"{layer}self_attn",
            },
            new FeedForwardSpec
            {
                Width = hidden,
                NormBefore = Norm($"{layer}post_attention_layernorm"),
                IntermediateSize = intermediate,
                Activation = activation,
                Gate = traits.Gated ? Linear($"{layer}mlp.gate_proj", traits.MlpBias) : null,
                Up = Linear($"{layer}mlp.up_proj", traits.MlpBias),
                Down = Linear($"{layer}mlp.down_proj", traits.MlpBias),
            },
        ]);

        int Size(string field, int most, int? fallback) =>
            config.Integer(field, 1, most) ?? fallback ?? throw config.Missing(field);

        NormSpec Norm(string module) =>
            new(
                traits.Norm, new NormTensors($"{module}.weight", traits.NormBias ? $"{module}.bias" : null), epsilon,
                hidden)
            {
                WeightOffset = traits.NormOffset,
            };
    }

    /// <summary>A linear layer's names.</summary>
    public static LinearTensors Linear(string module, bool bias) =>
        new($"{module}.weight", bias ? $"{module}.bias" : null);

    /// <summary>The module that a layer's attention stands below, as a name's beginning.</summary>
    public static string AttentionModule(AttentionSpec attention) =>
        attention.Output.Module[..(attention.Output.Module.LastIndexOf('.') + 1)];

    /// <summary>A norm like another one, elsewhere.</summary>
    public static NormSpec Elsewhere(NormSpec norm, string module) => norm with
    {
        Names = new NormTensors($"{module}.weight", norm.Names.Bias is null ? null : $"{module}.bias"),
    };

    /// <summary>A norm like another one, beside it in its layer.</summary>
    public static NormSpec Beside(NormSpec norm, string name)
    {
        string module = norm.Names.Weight![..norm.Names.Weight!.LastIndexOf('.')];
        return Elsewhere(norm, module[..(module.LastIndexOf('.') + 1)] + name);
    }

    /// <summary>Norms behind the sublayers, and none before.</summary>
    public static DecoderSpec WithNormsBehind(DecoderSpec spec) => spec
        .MapAttention((_, attention) => attention with
        {
            NormBefore = null,
            NormOutput = Beside(attention.NormBefore!, "post_attention_layernorm"),
        })
        .MapFeedForward((_, mlp) => mlp with
        {
            NormBefore = null,
            NormOutput = Beside(mlp.NormBefore!, "post_feedforward_layernorm"),
        });

    /// <summary>Norms of each query and key head, all with one weight, <c>q_norm</c> and <c>k_norm</c>.</summary>
    public static AttentionSpec WithHeadNorms(
        AttentionSpec attention, string query = "q_norm", string key = "k_norm")
    {
        string module = AttentionModule(attention);
        NormSpec norm = attention.NormBefore! with { Width = attention.HeadDim };
        return attention with
        {
            QueryNorm = Elsewhere(norm, module + query),
            KeyNorm = Elsewhere(norm, module + key),
        };
    }

    private static int HeadDim(ConfigReader config, int hidden, int heads, int? fallback)
    {
        int? stated = config.Integer("head_dim", 1, ConfigLimits.HeadDim) ?? fallback;
        if (stated is null && hidden % heads != 0)
        {
            throw config.Invalid(
                "num_attention_heads", $"is {heads}; without head_dim it must divide hidden_size, {hidden}");
        }

        int headDim = stated ?? hidden / heads;
        return headDim % 2 == 0
            ? headDim
            : throw config.Invalid("head_dim", $"is {headDim}; rotary positions pair elements, so it must be even");
    }
}

using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Llama (arXiv 2302.13971): RMSNorm before each sublayer, rotary positions, grouped-query attention, a gated SiLU MLP.
/// Config fields and defaults are those of transformers' <c>LlamaConfig</c>.
/// </summary>
internal static class LlamaFamily
{
    public static ModelFamily Family { get; } = new(
        "LlamaForCausalLM",
        "llama",
        Map,
        TiesHead: false,
        [
            // Tables of the rotary positions, which config.json states.
            "rotary_emb.inv_freq", "rotary_emb.original_inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached",

            // Causal masks, and what they mask with: buffers that old versions of transformers saved.
            "self_attn.bias", "self_attn.masked_bias", "self_attn.causal_mask", "model.causal_mask",
        ]);

    private static DecoderSpec Map(ConfigReader config, Checkpoint checkpoint)
    {
        Require(config, "hidden_act", config.Text("hidden_act") ?? "silu", "silu");
        Require(config, "pretraining_tp", config.Integer("pretraining_tp") ?? 1, 1);
        Require(config, "partial_rotary_factor", config.Number("partial_rotary_factor") ?? 1.0, 1.0);
        if (config.Find("sliding_window") is { } window)
        {
            throw new UnsupportedModelException(
                config.File, "sliding_window", window.GetRawText(), "null (full attention)");
        }

        int hidden = config.Size("hidden_size", ConfigLimits.Width);
        int heads = config.Size("num_attention_heads", ConfigLimits.Heads);
        int kvHeads = config.Integer("num_key_value_heads", 1, ConfigLimits.Heads) ?? heads;
        if (heads % kvHeads != 0)
        {
            throw config.Invalid("num_key_value_heads", $"is {kvHeads}; it must divide num_attention_heads, {heads}");
        }

        const string Embedding = "embed_tokens.weight";
        string prefix = checkpoint.Contains(Embedding) ? "" : "model.";
        float epsilon = (float)(config.Positive("rms_norm_eps") ?? 1e-6);
        bool attentionBias = config.Flag("attention_bias", false);
        bool mlpBias = config.Flag("mlp_bias", false);
        int intermediate = config.Size("intermediate_size", ConfigLimits.Width);
        int headDim = HeadDim(config, hidden, heads);
        RotaryPositions positions = RotaryConfig.Read(config);
        return new DecoderSpec
        {
            Architecture = Family.Architecture,
            VocabSize = config.Size("vocab_size", ConfigLimits.Vocabulary),
            HiddenSize = hidden,
            EmbeddingSize = hidden,
            MaxPositionEmbeddings = config.Size("max_position_embeddings", ConfigLimits.Positions),
            TokenEmbedding = prefix + Embedding,
            Layers = [.. Enumerable.Range(0, config.Size("num_hidden_layers", ConfigLimits.Layers))
                .Select(i => Layer($"{prefix}layers.{i}."))],
            FinalNorm = Norm($"{prefix}norm.weight"),
            OutputHead = TiedHead.Read(config, checkpoint, Family.TiesHead),
        };

        LayerSpec Layer(string layer) => new(
        [
            new AttentionSpec
            {
                Width = hidden,
                NormBefore = Norm($"{layer}input_layernorm.weight"),
                NumHeads = heads,
                NumKvHeads = kvHeads,
                HeadDim = headDim,
                Positions = positions,
                Query = Linear($"{layer}self_attn.q_proj", attentionBias),
                Key = Linear($"{layer}self_attn.k_proj", attentionBias),
                Value = Linear($"{layer}self_attn.v_proj", attentionBias),
                Output = Linear($"{layer}self_attn.o_proj", attentionBias),
                CacheScales = $"{layer}self_attn",
            },
            new FeedForwardSpec
            {
                Width = hidden,
                NormBefore = Norm($"{layer}post_attention_layernorm.weight"),
                IntermediateSize = intermediate,
                Activation = Activation.Silu,
                Gate = Linear($"{layer}mlp.gate_proj", mlpBias),
                Up = Linear($"{layer}mlp.up_proj", mlpBias),
                Down = Linear($"{layer}mlp.down_proj", mlpBias),
            },
        ]);

        NormSpec Norm(string weight) => new(NormKind.Rms, new NormTensors(weight, null), epsilon, hidden);
    }

    private static LinearTensors Linear(string module, bool bias) =>
        new($"{module}.weight", bias ? $"{module}.bias" : null);

    private static int HeadDim(ConfigReader config, int hidden, int heads)
    {
        int? stated = config.Integer("head_dim", 1, ConfigLimits.HeadDim);
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

    private static void Require<T>(ConfigReader config, string field, T value, T supported)
        where T : IEquatable<T>
    {
        if (!value.Equals(supported))
        {
            throw new UnsupportedModelException(
                config.File, field, FormattableString.Invariant($"{value}"),
                FormattableString.Invariant($"{supported}"));
        }
    }
}

using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Falcon (arXiv 2311.16867): attention and MLP beside each other, key and value heads shared by all query heads or by
/// groups of them, in one tensor with these.
/// </summary>
internal static class FalconFamily
{
    public static ModelFamily Family { get; } = new(
        "Falcon", "FalconForCausalLM", "falcon", Map, TiesHead: true, ["rotary_emb.inv_freq"]);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        PlainSizes sizes = PlainSizes.Read(
            config, "hidden_size", "num_hidden_layers", "num_attention_heads", "ffn_hidden_size");
        Supported.Require(config, "alibi", config.Flag("alibi", false), false);
        bool grouped = config.Flag("new_decoder_architecture", false);
        bool shared = config.Flag("multi_query", true);
        bool parallel = grouped || config.Flag("parallel_attn", true);
        const string KvHeads = "num_kv_heads";
        config.Knows(KvHeads);
        int kvHeads = grouped
            ? Supported.KvHeads(
                config, KvHeads, config.Integer(KvHeads, 1, ConfigLimits.Heads) ?? sizes.Heads, sizes.Heads)
            : shared ? 1
            : sizes.Heads;

        int norms = config.Integer("num_ln_in_parallel_attn", 1, 2) ?? (grouped ? 2 : 1);
        bool twoNorms = grouped && norms == 2;
        bool bias = config.Flag("bias", false);
        DecoderSpec spec = new PlainLayout
        {
            Architecture = Family.Architecture,
            Names = new PlainNames
            {
                Root = "transformer.",
                Embedding = "word_embeddings",
                Layers = "h",
                AttentionNorm = twoNorms ? "ln_attn" : "input_layernorm",
                MlpNorm = twoNorms ? "ln_mlp" : parallel ? "input_layernorm" : "post_attention_layernorm",
                FinalNorm = "ln_f",
                AttentionOutput = "self_attention.dense",
                Up = "mlp.dense_h_to_4h",
                Down = "mlp.dense_4h_to_h",
            },
            Sizes = sizes with { KvHeads = kvHeads },
            Projections = layer => Fused.Grouped(
                LlamaLayout.Linear($"{layer}self_attention.query_key_value", bias),
                sizes.Heads,
                kvHeads,
                sizes.HeadDim),
            AttentionOutputBias = bias,
            MlpBias = bias,
            MaxPositions = config.Integer("max_position_embeddings", 1, ConfigLimits.Positions) ?? 2048,
            Epsilon = config.Positive("layer_norm_epsilon") ?? 1e-5,
            Activation = ActivationConfig.Read(config, "activation", Activation.Gelu),
            Positions = RotaryConfig.Read(config, sizes.HeadDim, new RotaryTraits()),
        }.Read(config, names, TiedHead.Read(config, names, Family.TiesHead));
        return parallel ? spec.MapFeedForward((_, mlp) => mlp with { ReadsLayerInput = true }) : spec;
    }
}

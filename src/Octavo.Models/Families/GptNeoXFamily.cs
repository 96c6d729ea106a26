using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// GPT-NeoX and Pythia (arXiv 2204.06745): attention and MLP beside each other, each behind a norm of its own, a part
/// of each head rotated; queries, keys and values head by head in one tensor.
/// </summary>
internal static class GptNeoXFamily
{
    public static ModelFamily Family { get; } = new(
        "GPT-NeoX, Pythia", "GPTNeoXForCausalLM", "gpt_neox", Map, TiesHead: false,
        ["attention.bias", "attention.masked_bias", "rotary_emb.inv_freq"]);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        PlainSizes sizes = PlainSizes.Read(
            config, "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", 24576);
        bool bias = config.Flag("attention_bias", true);
        DecoderSpec spec = new PlainLayout
        {
            Architecture = Family.Architecture,
            Names = new PlainNames
            {
                Root = "gpt_neox.",
                Embedding = "embed_in",
                Layers = "layers",
                AttentionNorm = "input_layernorm",
                MlpNorm = "post_attention_layernorm",
                FinalNorm = "final_layer_norm",
                AttentionOutput = "attention.dense",
                Up = "mlp.dense_h_to_4h",
                Down = "mlp.dense_4h_to_h",
            },
            Sizes = sizes,
            Projections = layer => Fused.Grouped(
                LlamaLayout.Linear($"{layer}attention.query_key_value", bias), sizes.Heads, sizes.Heads, sizes.HeadDim),
            AttentionOutputBias = bias,
            MaxPositions = config.Integer("max_position_embeddings", 1, ConfigLimits.Positions) ?? 2048,
            Epsilon = config.Positive("layer_norm_eps") ?? 1e-5,
            Activation = ActivationConfig.Read(config, "hidden_act", Activation.Gelu),
            Positions = RotaryConfig.Read(
                config, sizes.HeadDim,
                new RotaryTraits { Partial = 0.25, ThetaField = "rotary_emb_base", PartialField = "rotary_pct" }),
        }.Read(config, names, TiedHead.Read(
            config, names, Family.TiesHead, names.Contains("lm_head.weight") ? "lm_head" : "embed_out"));
        return !config.Flag("use_parallel_residual", true)
            ? spec
            : spec.MapFeedForward((_, mlp) => mlp with { ReadsLayerInput = true });
    }
}

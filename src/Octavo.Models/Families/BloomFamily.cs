using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// BLOOM (arXiv 2211.05100): ALiBi, a norm behind the embedding, queries, keys and values head by head in one tensor.
/// </summary>
internal static class BloomFamily
{
    public static ModelFamily Family { get; } = new(
        "BLOOM", "BloomForCausalLM", "bloom", Map, TiesHead: true, [])
    {
        IdleFields = ["offset_alibi"],
    };

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        PlainSizes sizes = PlainSizes.Read(config, "hidden_size");
        Supported.Require(
            config, "apply_residual_connection_post_layernorm",
            config.Flag("apply_residual_connection_post_layernorm", false), false);
        double epsilon = config.Positive("layer_norm_epsilon") ?? 1e-5;
        DecoderSpec spec = new PlainLayout
        {
            Architecture = Family.Architecture,
            Names = new PlainNames
            {
                Root = "transformer.",
                Embedding = "word_embeddings",
                Layers = "h",
                AttentionNorm = "input_layernorm",
                MlpNorm = "post_attention_layernorm",
                FinalNorm = "ln_f",
                AttentionOutput = "self_attention.dense",
                Up = "mlp.dense_h_to_4h",
                Down = "mlp.dense_4h_to_h",
            },
            Sizes = sizes,
            Projections = layer => Fused.Grouped(
                LlamaLayout.Linear($"{layer}self_attention.query_key_value", true), sizes.Heads, sizes.Heads,
                sizes.HeadDim),

            // Distances have no end; the config states the length that it was trained with under several names.
            MaxPositions = config.Integer("seq_length", 1, ConfigLimits.Positions) ?? 2048,
            Epsilon = epsilon,
            Activation = Activation.TanhGelu,
            Positions = new AlibiPositions(),
        }.Read(config, names, TiedHead.Read(config, names, Family.TiesHead));
        string module = new LinearTensors(spec.TokenEmbedding, null).Module + "_layernorm";
        return spec with { EmbeddingNorm = LlamaLayout.Elsewhere(spec.FinalNorm!, module) };
    }
}

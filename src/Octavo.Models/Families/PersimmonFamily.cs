using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Persimmon: norms of each query and key head, half of each head rotated, an MLP of squared ReLU; queries, keys and
/// values head by head in one tensor.
/// </summary>
internal static class PersimmonFamily
{
    public static ModelFamily Family { get; } = new(
        "Persimmon", "PersimmonForCausalLM", "persimmon", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        PlainSizes sizes = PlainSizes.Read(
            config, "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", 16384);
        DecoderSpec spec = new PlainLayout
        {
            Architecture = Family.Architecture,
            Names = new PlainNames
            {
                Root = "model.",
                Embedding = "embed_tokens",
                Layers = "layers",
                AttentionNorm = "input_layernorm",
                MlpNorm = "post_attention_layernorm",
                FinalNorm = "final_layernorm",
                AttentionOutput = "self_attn.dense",
                Up = "mlp.dense_h_to_4h",
                Down = "mlp.dense_4h_to_h",
            },
            Sizes = sizes,
            Projections = layer => Fused.Grouped(
                LlamaLayout.Linear($"{layer}self_attn.query_key_value", true), sizes.Heads, sizes.Heads, sizes.HeadDim),
            MaxPositions = config.Integer("max_position_embeddings", 1, ConfigLimits.Positions) ?? 16384,
            Epsilon = config.Positive("layer_norm_eps") ?? 1e-5,
            Activation = ActivationConfig.Read(config, "hidden_act", Activation.SquaredRelu),
            Positions = RotaryConfig.Read(config, sizes.HeadDim, new RotaryTraits { Partial = 0.5 }),
        }.Read(config, names, TiedHead.Read(config, names, Family.TiesHead));
        return !config.Flag("qk_layernorm", true) ? spec : spec.MapAttention(
            (_, attention) => LlamaLayout.WithHeadNorms(attention, "q_layernorm", "k_layernorm"));
    }
}

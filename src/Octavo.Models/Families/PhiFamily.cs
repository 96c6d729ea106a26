using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Phi-1, 1.5 and 2 (arXiv 2309.05463): attention and MLP beside each other behind one norm, a part of each head
/// rotated, biases everywhere.
/// </summary>
internal static class PhiFamily
{
    public static ModelFamily Family { get; } = new(
        "Phi-1, Phi-1.5, Phi-2", "PhiForCausalLM", "phi", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        (int hidden, int layers, int heads, int intermediate) = PlainLayout.Sizes(
            config, "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size");
        int kvHeads = config.Integer("num_key_value_heads", 1, ConfigLimits.Heads) ?? heads;
        if (heads % kvHeads != 0)
        {
            throw config.Invalid("num_key_value_heads", $"is {kvHeads}; it must divide num_attention_heads, {heads}");
        }

        Supported.Require(config, "qk_layernorm", config.Flag("qk_layernorm", false), false);
        return ParallelParts.BehindOneNorm(new PlainLayout
        {
            Architecture = Family.Architecture,
            Root = "model.",
            Embedding = "embed_tokens",
            Layers = "layers",
            AttentionNorm = "input_layernorm",
            MlpNorm = "input_layernorm",
            FinalNorm = "final_layernorm",
            Projections = layer => (
                LlamaLayout.Linear($"{layer}self_attn.q_proj", true),
                LlamaLayout.Linear($"{layer}self_attn.k_proj", true),
                LlamaLayout.Linear($"{layer}self_attn.v_proj", true)),
            AttentionOutput = "self_attn.dense",
            Up = "mlp.fc1",
            Down = "mlp.fc2",
            Hidden = hidden,
            NumLayers = layers,
            Heads = heads,
            KvHeads = kvHeads,
            Intermediate = intermediate,
            MaxPositions = config.Integer("max_position_embeddings", 1, ConfigLimits.Positions) ?? 2048,
            Epsilon = config.Positive("layer_norm_eps") ?? 1e-5,
            Activation = ActivationConfig.Read(config, "hidden_act", Activation.TanhGelu),
            Positions = RotaryConfig.Read(config, hidden / heads, new RotaryTraits { Partial = 0.5 }),
        }.Read(config, names, TiedHead.Read(config, names, Family.TiesHead, bias: true)));
    }
}

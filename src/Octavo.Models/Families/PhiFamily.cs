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
        PlainSizes sizes = PlainSizes.Read(
            config, "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", 8192);
        const string KvHeads = "num_key_value_heads";
        int kvHeads = config.Integer(KvHeads, 1, ConfigLimits.Heads) ?? sizes.Heads;
        Supported.Require(config, "qk_layernorm", config.Flag("qk_layernorm", false), false);
        return ParallelParts.BehindOneNorm(new PlainLayout
        {
            Architecture = Family.Architecture,
            Names = new PlainNames
            {
                Root = "model.",
                Embedding = "embed_tokens",
                Layers = "layers",
                AttentionNorm = "input_layernorm",
                MlpNorm = "input_layernorm",
                FinalNorm = "final_layernorm",
                AttentionOutput = "self_attn.dense",
                Up = "mlp.fc1",
                Down = "mlp.fc2",
            },
            Sizes = sizes with { KvHeads = Supported.KvHeads(config, KvHeads, kvHeads, sizes.Heads) },
            Projections = layer => (
                LlamaLayout.Linear($"{layer}self_attn.q_proj", true),
                LlamaLayout.Linear($"{layer}self_attn.k_proj", true),
                LlamaLayout.Linear($"{layer}self_attn.v_proj", true)),
            MaxPositions = config.Integer("max_position_embeddings", 1, ConfigLimits.Positions) ?? 2048,
            Epsilon = config.Positive("layer_norm_eps") ?? 1e-5,
            Activation = ActivationConfig.Read(config, "hidden_act", Activation.TanhGelu),
            Positions = RotaryConfig.Read(config, sizes.HeadDim, new RotaryTraits { Partial = 0.5 }),
        }.Read(config, names, TiedHead.Read(config, names, Family.TiesHead, bias: true)));
    }
}

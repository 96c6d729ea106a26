using Octavo.Formats;

namespace Octavo.Models;

/// <summary>SantaCoder and StarCoder (arXiv 2305.06161): GPT-2 whose heads may all share one key and value.</summary>
internal static class GptBigCodeFamily
{
    public static ModelFamily Family { get; } = new(
        "SantaCoder, StarCoder", "GPTBigCodeForCausalLM", "gpt_bigcode", Map, TiesHead: true,
        ["attn.bias", "attn.masked_bias"]);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        Supported.Require(config, "scale_attn_weights", config.Flag("scale_attn_weights", true), true);
        Supported.Require(config, "add_cross_attention", config.Flag("add_cross_attention", false), false);
        (int hidden, int layers, int heads, int intermediate) = PlainLayout.Sizes(config);
        bool shared = config.Flag("multi_query", true);
        int headDim = hidden / heads;
        return new PlainLayout
        {
            Architecture = Family.Architecture,
            Root = "transformer.",
            Embedding = "wte",
            Layers = "h",
            AttentionNorm = "ln_1",
            MlpNorm = "ln_2",
            FinalNorm = "ln_f",
            Projections = layer =>
            {
                LinearTensors fused = LlamaLayout.Linear($"{layer}attn.c_attn", true);
                return shared
                    ? Fused.Stacked(fused, hidden, headDim)
                    : Fused.Grouped(fused, heads, heads, headDim);
            },
            AttentionOutput = "attn.c_proj",
            Up = "mlp.c_fc",
            Down = "mlp.c_proj",
            Hidden = hidden,
            NumLayers = layers,
            Heads = heads,
            KvHeads = shared ? 1 : heads,
            Intermediate = intermediate,
            MaxPositions = config.Integer("n_positions", 1, ConfigLimits.Positions) ?? 1024,
            Epsilon = config.Positive("layer_norm_epsilon") ?? 1e-5,
            Activation = ActivationConfig.Read(config, "activation_function", Activation.TanhGelu),
            LearnedPositions = "wpe",
        }.Read(config, names, TiedHead.Read(config, names, Family.TiesHead));
    }
}

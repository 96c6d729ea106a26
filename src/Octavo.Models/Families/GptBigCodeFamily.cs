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
        PlainSizes sizes = PlainSizes.Read(config);
        bool shared = config.Flag("multi_query", true);
        return new PlainLayout
        {
            Architecture = Family.Architecture,
            Names = PlainNames.Gpt2,
            Sizes = sizes with { KvHeads = shared ? 1 : sizes.Heads },
            Projections = layer =>
            {
                LinearTensors fused = LlamaLayout.Linear($"{layer}attn.c_attn", true);
                return shared
                    ? Fused.Stacked(fused, sizes.Hidden, sizes.HeadDim)
                    : Fused.Grouped(fused, sizes.Heads, sizes.Heads, sizes.HeadDim);
            },
            MaxPositions = PlainSizes.MaxPositions(config, 1024),
            Epsilon = config.Positive("layer_norm_epsilon") ?? 1e-5,
            Activation = ActivationConfig.Read(config, "activation_function", Activation.TanhGelu),
            LearnedPositions = "wpe",
        }.Read(config, names, TiedHead.Read(config, names, Family.TiesHead));
    }
}

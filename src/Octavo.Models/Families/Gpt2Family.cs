using Octavo.Formats;

namespace Octavo.Models;

/// <summary>GPT-2: learned positions, matrices stored <c>[in, out]</c>, queries, keys and values in one.</summary>
internal static class Gpt2Family
{
    public static ModelFamily Family { get; } = new(
        "GPT-2", "GPT2LMHeadModel", "gpt2", Map, TiesHead: true, ["attn.bias", "attn.masked_bias"]);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        Supported.Require(config, "scale_attn_weights", config.Flag("scale_attn_weights", true), true);
        Supported.Require(config, "add_cross_attention", config.Flag("add_cross_attention", false), false);
        PlainSizes sizes = PlainSizes.Read(config);
        bool scalesByLayer = config.Flag("scale_attn_by_inverse_layer_idx", false);
        DecoderSpec spec = new PlainLayout
        {
            Architecture = Family.Architecture,
            Names = PlainNames.Gpt2,
            Sizes = sizes,
            Projections = layer => Fused.Stacked(
                LlamaLayout.Linear($"{layer}attn.c_attn", true) with { Transposed = true }, sizes.Hidden, sizes.Hidden),
            MaxPositions = PlainSizes.MaxPositions(config, 1024),
            Epsilon = config.Positive("layer_norm_epsilon") ?? 1e-5,
            Activation = ActivationConfig.Read(config, "activation_function", Activation.TanhGelu),
            Transposed = true,
            LearnedPositions = "wpe",
        }.Read(config, names, TiedHead.Read(config, names, Family.TiesHead));
        return !scalesByLayer ? spec : spec.MapAttention((i, attention) => attention with
        {
            Scale = (float)(1 / Math.Sqrt(attention.HeadDim) / (i + 1)),
        });
    }
}

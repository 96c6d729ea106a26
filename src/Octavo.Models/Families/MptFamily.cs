using Octavo.Formats;

namespace Octavo.Models;

/// <summary>MPT: ALiBi, no biases, queries, keys and values one behind another in one tensor.</summary>
internal static class MptFamily
{
    public static ModelFamily Family { get; } = new(
        "MPT", "MptForCausalLM", "mpt", Map, TiesHead: true, [])
    {
        IdleFields = ["embedding_fraction", "init_config", "learned_pos_emb", "norm_type", "verbose"],
    };

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        PlainSizes sizes = PlainSizes.Read(config, "d_model", "n_layers", "n_heads");
        Supported.Require(config, "no_bias", config.Flag("no_bias", true), true);
        Supported.RequireNull(config, "logit_scale", "none");
        (float? scale, float? clip) = (null, null);
        if (config.Section("attn_config") is { } attention)
        {
            Supported.Require(attention, "alibi", attention.Flag("alibi", true), true);
            Supported.Require(attention, "alibi_bias_max", attention.Integer("alibi_bias_max") ?? 8, 8);
            Supported.Require(attention, "qk_ln", attention.Flag("qk_ln", false), false);
            Supported.Require(attention, "prefix_lm", attention.Flag("prefix_lm", false), false);
            clip = (float?)attention.Positive("clip_qkv");
            scale = (float?)attention.Positive("softmax_scale");
        }

        return new PlainLayout
        {
            Architecture = Family.Architecture,
            Names = new PlainNames
            {
                Root = "transformer.",
                Embedding = "wte",
                Layers = "blocks",
                AttentionNorm = "norm_1",
                MlpNorm = "norm_2",
                FinalNorm = "norm_f",
                AttentionOutput = "attn.out_proj",
                Up = "ffn.up_proj",
                Down = "ffn.down_proj",
            },
            Sizes = sizes with { Intermediate = sizes.Hidden * (config.Integer("expansion_ratio", 1, 64) ?? 4) },
            NormBias = false,
            Projections = layer =>
                Fused.Stacked(LlamaLayout.Linear($"{layer}attn.Wqkv", false), sizes.Hidden, sizes.Hidden),
            AttentionOutputBias = false,
            MlpBias = false,
            MaxPositions = config.Integer("max_seq_len", 1, ConfigLimits.Positions) ?? 2048,
            Epsilon = config.Positive("layer_norm_epsilon") ?? 1e-5,
            Activation = Activation.Gelu,
            Positions = new AlibiPositions(),
        }.Read(config, names, TiedHead.Read(config, names, Family.TiesHead))
            .MapAttention((_, part) => part with { Scale = scale, Clip = clip });
    }
}

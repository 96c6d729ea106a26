using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Granite 3 and 4, dense: Llama with multipliers of embedding, residuals, scores and logits.</summary>
internal static class GraniteFamily
{
    public static ModelFamily Family { get; } = new(
        "Granite 3 and 4, dense", "GraniteForCausalLM", "granite", Map, TiesHead: false, LlamaFamily.Buffers);

    /// <summary>A decoder with Granite's multipliers.</summary>
    public static DecoderSpec Read(
        ConfigReader config, TensorNames names, string architecture, bool tiesHead, double epsilon = 1e-6,
        int? kvHeads = null)
    {
        bool bias = config.Flag("attention_bias", false);
        DecoderSpec spec = LlamaLayout.Read(config, names, architecture, tiesHead, new LlamaTraits
        {
            Epsilon = epsilon,
            KvHeads = kvHeads,
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
            MlpBias = config.Flag("mlp_bias", false),
        });
        float residual = (float)(config.Positive("residual_multiplier") ?? 1);
        float scale = (float)(config.Positive("attention_multiplier") ?? 1);
        return spec
            .MapAttention((_, attention) => attention with { Scale = scale })
            .MapParts(part => part with { ResidualScale = residual }) with
        {
            EmbeddingScale = (float)(config.Positive("embedding_multiplier") ?? 1),
            LogitsScale = (float)(1 / (config.Positive("logits_scaling") ?? 1)),
        };
    }

    private static DecoderSpec Map(ConfigReader config, TensorNames names) =>
        Read(config, names, Family.Architecture, Family.TiesHead);
}

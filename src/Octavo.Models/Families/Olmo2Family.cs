using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// OLMo 2 (arXiv 2501.00656): Llama with norms behind its sublayers, not before, and of all queries and all keys.
/// </summary>
internal static class Olmo2Family
{
    public static ModelFamily Family { get; } = new(
        "OLMo 2", "Olmo2ForCausalLM", "olmo2", Map, TiesHead: false, LlamaFamily.Buffers);

    /// <summary>A decoder with OLMo 2's norms.</summary>
    public static DecoderSpec Read(
        ConfigReader config, TensorNames names, string architecture, RotaryTraits rotary)
    {
        bool bias = config.Flag("attention_bias", false);
        DecoderSpec spec = LlamaLayout.Read(config, names, architecture, tiesHead: false, new LlamaTraits
        {
            Epsilon = 1e-5,
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
            Rotary = rotary,
        });
        return LlamaLayout.WithNormsBehind(spec.MapAttention((_, attention) =>
        {
            AttentionSpec normed = LlamaLayout.WithHeadNorms(attention);
            return normed with
            {
                QueryNorm = normed.QueryNorm! with { Width = attention.QueryWidth },
                KeyNorm = normed.KeyNorm! with { Width = attention.KeyWidth },
            };
        }));
    }

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        Supported.RequireNull(config, "clip_qkv", "no clipping");
        return Read(config, names, Family.Architecture, new RotaryTraits());
    }
}

using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Hunyuan, dense: Llama with norms of each query and key head behind the rotation.</summary>
internal static class HunyuanFamily
{
    public static ModelFamily Family { get; } = new(
        "Hunyuan, dense", "HunYuanDenseV1ForCausalLM", "hunyuan_v1_dense", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        bool bias = config.Flag("attention_bias", false);
        DecoderSpec spec = LlamaLayout.Read(config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            Epsilon = 1e-5,
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
            Rotary = new RotaryTraits { HasAlpha = true },
        });
        return spec.MapAttention((_, attention) =>
            LlamaLayout.WithHeadNorms(attention, "query_layernorm", "key_layernorm") with
            {
                NormsAfterRotation = true,
            });
    }
}

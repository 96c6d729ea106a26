using Octavo.Formats;

namespace Octavo.Models;

/// <summary>GLM-4-0414: GLM-4 with norms behind its sublayers, too.</summary>
internal static class Glm4Family
{
    public static ModelFamily Family { get; } = new(
        "GLM-4-0414", "Glm4ForCausalLM", "glm4", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names) =>
        GlmFamily.Read(config, names, Family.Architecture)
            .MapAttention((_, attention) => attention with
            {
                NormOutput = LlamaLayout.Elsewhere(
                    attention.NormBefore!, attention.NormBefore!.Names.Weight!.Replace(
                        "input_layernorm.weight", "post_self_attn_layernorm", StringComparison.Ordinal)),
            })
            .MapFeedForward((_, mlp) => mlp with
            {
                NormOutput = LlamaLayout.Elsewhere(
                    mlp.NormBefore!, mlp.NormBefore!.Names.Weight!.Replace(
                        "post_attention_layernorm.weight", "post_mlp_layernorm", StringComparison.Ordinal)),
            });
}

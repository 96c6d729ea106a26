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
                NormOutput = LlamaLayout.Beside(attention.NormBefore!, "post_self_attn_layernorm"),
            })
            .MapFeedForward((_, mlp) => mlp with
            {
                NormOutput = LlamaLayout.Beside(mlp.NormBefore!, "post_mlp_layernorm"),
            });
}

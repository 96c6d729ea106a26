using Octavo.Formats;

namespace Octavo.Models;

/// <summary>OLMo (arXiv 2402.00838): Llama with layer norms that have no parameters.</summary>
internal static class OlmoFamily
{
    private const float Epsilon = 1e-5f;

    public static ModelFamily Family { get; } = new(
        "OLMo", "OlmoForCausalLM", "olmo", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        bool bias = config.Flag("attention_bias", false);
        DecoderSpec spec = LlamaLayout.Read(config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
        });
        var norm = new NormSpec(NormKind.Layer, new NormTensors(null, null), Epsilon, spec.HiddenSize);
        return spec.MapParts(part => part with { NormBefore = norm })
            .MapAttention((_, attention) => attention with { Clip = (float?)config.Positive("clip_qkv") }) with
        {
            FinalNorm = norm,
        };
    }
}

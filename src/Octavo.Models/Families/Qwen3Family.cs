using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Qwen 3 (arXiv 2505.09388): Llama with norms of each query and key head; later layers may slide.</summary>
internal static class Qwen3Family
{
    public static ModelFamily Family { get; } = new(
        "Qwen 3, dense; Qwen 3 VL, text", "Qwen3ForCausalLM", "qwen3", Map, TiesHead: false, LlamaFamily.Buffers)
    {
        TextTypes = ["qwen3_vl_text"]
    };

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        bool bias = config.Flag("attention_bias", false);
        DecoderSpec spec = LlamaLayout.Read(config, names, Family.Architecture, Family.TiesHead, new LlamaTraits
        {
            KvHeads = 32,
            HeadDim = 128,
            QueryKeyValueBias = bias,
            AttentionOutputBias = bias,
        });
        return Qwen2Family.WithWindows(
            spec.MapAttention((_, attention) => LlamaLayout.WithHeadNorms(attention)), config);
    }
}

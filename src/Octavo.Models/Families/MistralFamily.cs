using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Mistral (arXiv 2310.06825): Llama, every layer of which may attend to a sliding window only.</summary>
internal static class MistralFamily
{
    public static ModelFamily Family { get; } = new(
        "Mistral", "MistralForCausalLM", "mistral", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        DecoderSpec spec = LlamaLayout.Read(
            config, names, Family.Architecture, Family.TiesHead, new LlamaTraits { KvHeads = 8 });
        int? window = LayerTypes.WindowOf(config, 4096);
        return spec.MapAttention((_, attention) => attention with { Window = window });
    }
}

using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Phi-3, 3.5 and 4 (arXiv 2404.14219): Llama whose queries, keys and values stand in one tensor, and gate and up in
/// another.
/// </summary>
internal static class Phi3Family
{
    public static ModelFamily Family { get; } = new(
        "Phi-3, Phi-4, Phi-4-mini", "Phi3ForCausalLM", "phi3", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        DecoderSpec spec = LlamaLayout.Read(
            config, names, Family.Architecture, Family.TiesHead,
            new LlamaTraits
            {
                Epsilon = 1e-5,
                Rotary = new RotaryTraits { Partial = 1, Original = 4096, YarnIsLongRope = true },
            });
        int? window = LayerTypes.WindowOf(config);
        return Fused.GateUp(Fused.QueryKeyValue(spec), "gate_up_proj")
            .MapAttention((_, attention) => attention with { Window = window });
    }
}

using Octavo.Formats;

namespace Octavo.Models;

/// <summary>OLMo 3: OLMo 2 with a sliding window in three layers of four, whose positions are not scaled.</summary>
internal static class Olmo3Family
{
    public static ModelFamily Family { get; } = new(
        "OLMo 3", "Olmo3ForCausalLM", "olmo3", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        var rotary = new RotaryTraits { Theta = 500_000 };
        DecoderSpec spec = Olmo2Family.Read(config, names, Family.Architecture, rotary);
        int?[] windows = LayerTypes.Windows(
            config, spec.NumLayers, LayerTypes.WindowOf(config) ?? 4096, i => (i + 1) % 4 != 0);
        return spec.MapAttention((i, attention) => attention with
        {
            Window = windows[i],
            Positions = windows[i] is null ? attention.Positions
                : RotaryConfig.ReadUnscaled(config, "sliding_attention", attention.HeadDim, rotary),
        });
    }
}

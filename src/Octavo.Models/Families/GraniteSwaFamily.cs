using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Granite with sliding windows, and a base of the rotary positions for each layer, or none (0).</summary>
internal static class GraniteSwaFamily
{
    public static ModelFamily Family { get; } = new(
        "Granite with sliding windows", "GraniteSWAForCausalLM", "granite_swa", Map, TiesHead: true,
        LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        DecoderSpec spec = GraniteFamily.Read(config, names, Family.Architecture, Family.TiesHead, 1e-5, 4);
        int?[] windows = LayerTypes.Windows(config, spec.NumLayers, LayerTypes.WindowOf(config, 128), i => i % 4 != 0);
        IReadOnlyList<double> thetas = config.Numbers("layer_rope_theta");
        if (thetas.Count > 0 && thetas.Count != spec.NumLayers)
        {
            throw config.Invalid("layer_rope_theta", $"has {thetas.Count} entries for {spec.NumLayers} layers");
        }

        return spec.MapAttention((i, attention) => attention with
        {
            Window = windows[i],
            Sinks = LlamaLayout.AttentionModule(attention) + "sinks",
            Positions = thetas.Count == 0 ? attention.Positions
                : thetas[i] == 0 ? null
                : ((RotaryPositions)attention.Positions!) with { Theta = thetas[i] },
        });
    }
}

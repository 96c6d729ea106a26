using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// Gemma 3 (arXiv 2503.19786), its text: Gemma 2 with norms of each query and key head in place of the scores' caps,
/// five sliding layers to each that attends to everything, and a rotary table for either kind.
/// </summary>
internal static class Gemma3Family
{
    public static ModelFamily Family { get; } = new(
        "Gemma 3, text", "Gemma3ForCausalLM", "gemma3_text", Map, TiesHead: true, LlamaFamily.Buffers)
    {
        IdleFields = ["_sliding_window_pattern", "hidden_act"],
    };

    // The published configs of its larger models state only what differs from transformers' defaults.
    private static readonly DefaultSizes Sizes = new(262_208, 8, 131_072);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        var global = new RotaryTraits { Theta = 1_000_000 };
        var local = new RotaryTraits { ThetaField = "rope_local_base_freq" };
        DecoderSpec spec = Gemma2Family.WithNormsAround(Gemma2Family.WithScores(
            GemmaFamily.Read(config, names, Family.Architecture, global, 4, Sizes), config, null, null));
        int pattern = config.Integer("sliding_window_pattern", 1, ConfigLimits.Layers) ?? 6;
        int?[] windows = LayerTypes.Windows(
            config, spec.NumLayers, LayerTypes.WindowOf(config) ?? 4096, i => (i + 1) % pattern != 0);
        return spec.MapAttention((i, attention) => LlamaLayout.WithHeadNorms(attention) with
        {
            Window = windows[i],
            Positions = windows[i] is null ? attention.Positions
                : RotaryConfig.ReadUnscaled(config, "sliding_attention", attention.HeadDim, local),
        });
    }
}

using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// EXAONE 4 (arXiv 2507.11407): norms behind the sublayers and of each query and key head; where some layers slide, the
/// others know no positions.
/// </summary>
internal static class Exaone4Family
{
    public static ModelFamily Family { get; } = new(
        "EXAONE 4", "Exaone4ForCausalLM", "exaone4", Map, TiesHead: false, LlamaFamily.Buffers);

    private static DecoderSpec Map(ConfigReader config, TensorNames names)
    {
        DecoderSpec spec = LlamaLayout.Read(
            config, names, Family.Architecture, Family.TiesHead, new LlamaTraits { Epsilon = 1e-5, KvHeads = 32 });
        config.Knows("sliding_window_pattern");
        int? window = LayerTypes.WindowOf(config, 4096);
        int?[] windows = LayerTypes.Windows(config, spec.NumLayers, window, Slides);
        return LlamaLayout.WithNormsBehind(
            spec.MapAttention((i, attention) => LlamaLayout.WithHeadNorms(attention) with
            {
                Window = windows[i],
                Positions = window is null || windows[i] is not null ? attention.Positions : null,
            }));

        // "LLLG" is written out, or given as the number of layers from one that attends to everything to the next.
        bool Slides(int layer)
        {
            if (config.Find("sliding_window_pattern") is { ValueKind: System.Text.Json.JsonValueKind.String } pattern)
            {
                string letters = pattern.GetString()!;
                return layer != spec.NumLayers - 1 && letters.Length > 0 && letters[layer % letters.Length] == 'L';
            }

            int every = config.Integer("sliding_window_pattern", 1, ConfigLimits.Layers) ?? 4;
            return (layer + 1) % every != 0;
        }
    }
}

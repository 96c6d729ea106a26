using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Which layers attend to a sliding window, as <c>layer_types</c> says, or an older form of it.</summary>
internal static class LayerTypes
{
    private const string Sliding = "sliding_attention";
    private const string Full = "full_attention";

    /// <summary>The window of each layer; null where it attends to everything.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="layers">Layers.</param>
    /// <param name="window">The window of those that have one; null where none has.</param>
    /// <param name="slides">Whether a layer has one where <c>layer_types</c> is absent.</param>
    public static int?[] Windows(ConfigReader config, int layers, int? window, Func<int, bool> slides)
    {
        string[] types = [.. config.Texts("layer_types")];
        if (types.Length > 0 && types.Length != layers)
        {
            throw config.Invalid("layer_types", $"has {types.Length} entries for {layers} layers");
        }

        if (Array.Find(types, type => type is not (Sliding or Full)) is { } other)
        {
            throw new UnsupportedModelException(
                config.File, config.PathOf("layer_types"), $"'{other}'", Sliding, Full);
        }

        if (window is null && types.Contains(Sliding))
        {
            throw config.Invalid("sliding_window", "is missing; layer_types has layers that slide");
        }

        return [.. Enumerable.Range(0, layers)
            .Select(i => (types.Length > 0 ? types[i] == Sliding : slides(i)) ? window : null)];
    }

    /// <summary>
    /// The config's <c>sliding_window</c>: null where it is null, the family's own where it is absent.
    /// </summary>
    public static int? WindowOf(ConfigReader config, int? fallback = null) =>
        config.States("sliding_window")
            ? config.Integer("sliding_window", 1, ConfigLimits.Positions)
            : fallback;
}

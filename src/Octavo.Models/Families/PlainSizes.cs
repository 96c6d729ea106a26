using Octavo.Formats;

namespace Octavo.Models;

/// <summary>The sizes of a <see cref="PlainLayout"/>.</summary>
/// <param name="Hidden">Width of the residual stream.</param>
/// <param name="NumLayers">Layers.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="Intermediate">Width of the MLP's inner layer.</param>
internal sealed record PlainSizes(int Hidden, int NumLayers, int Heads, int Intermediate)
{
    /// <summary>Key-value heads: as many as query heads, unless something else is said.</summary>
    public int KvHeads { get; init; } = Heads;

    /// <summary>Width of a head.</summary>
    public int HeadDim => Hidden / Heads;

    /// <summary>Reads them, by the names of GPT-2's config where none are given.</summary>
    public static PlainSizes Read(
        ConfigReader config, string hidden = "n_embd", string layers = "n_layer", string heads = "n_head",
        string intermediate = "n_inner")
    {
        int width = config.Size(hidden, ConfigLimits.Width);
        int numHeads = config.Size(heads, ConfigLimits.Heads);
        if (width % numHeads != 0)
        {
            throw config.Invalid(heads, $"is {numHeads}; it must divide {hidden}, {width}");
        }

        return new PlainSizes(
            width, config.Size(layers, ConfigLimits.Layers), numHeads,
            config.Integer(intermediate, 1, ConfigLimits.Width) ?? 4 * width);
    }
}

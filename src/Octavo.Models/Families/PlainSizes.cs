using Octavo.Formats;

namespace Octavo.Models;

/// <summary>The sizes of a <see cref="PlainLayout"/>.</summary>
/// <param name="Hidden">Width of the residual stream.</param>
/// <param name="NumLayers">Layers.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="Intermediate">Width of the MLP's inner layer.</param>
internal sealed record PlainSizes(int Hidden, int NumLayers, int Heads, int Intermediate)
{
    // An older name in BLOOM's and Falcon's configs, which counts before the other one.
    private const string Embed = "n_embed";

    /// <summary>Key-value heads: as many as query heads, unless something else is said.</summary>
    public int KvHeads { get; init; } = Heads;

    /// <summary>Width of a head.</summary>
    public int HeadDim => Hidden / Heads;

    /// <summary>
    /// Reads them, by the names of GPT-2's config where none are given. The usual names are others for the same fields
    /// in transformers (<c>attribute_map</c>), and count where both are there.
    /// </summary>
    /// <param name="config">The configuration.</param>
    /// <param name="hidden">The field of the residual stream's width.</param>
    /// <param name="layers">That of the number of layers.</param>
    /// <param name="heads">That of the number of heads.</param>
    /// <param name="intermediate">That of the MLP's width.</param>
    /// <param name="defaultIntermediate">The MLP's width where the config states none; null is four times that of the
    /// residual stream.</param>
    public static PlainSizes Read(
        ConfigReader config, string hidden = "n_embd", string layers = "n_layer", string heads = "n_head",
        string intermediate = "n_inner", int? defaultIntermediate = null)
    {
        config.Knows(hidden, layers, heads, intermediate);
        hidden = config.Has(Embed) ? Embed : Named(config, hidden, "hidden_size");
        layers = Named(config, layers, "num_hidden_layers");
        heads = Named(config, heads, "num_attention_heads");
        int width = config.Size(hidden, ConfigLimits.Width);
        int numHeads = config.Size(heads, ConfigLimits.Heads);
        if (width % numHeads != 0)
        {
            throw config.Invalid(heads, $"is {numHeads}; it must divide {hidden}, {width}");
        }

        return new PlainSizes(
            width, config.Size(layers, ConfigLimits.Layers), numHeads,
            config.Integer(intermediate, 1, ConfigLimits.Width) ?? defaultIntermediate ?? 4 * width);
    }

    /// <summary>The longest sequence in a config that calls it as GPT-2's does, or as most do.</summary>
    public static int MaxPositions(ConfigReader config, int fallback)
    {
        const string Own = "n_positions";
        config.Knows(Own);
        return config.Integer(Named(config, Own, "max_position_embeddings"), 1, ConfigLimits.Positions) ?? fallback;
    }

    private static string Named(ConfigReader config, string own, string usual) => config.Has(usual) ? usual : own;
}

using System.Globalization;
using Octavo.Formats;

namespace Octavo.Models;

/// <summary>How a family's rotary positions are where its config states nothing.</summary>
internal sealed record RotaryTraits
{
    /// <summary>The base of the frequencies.</summary>
    public double Theta { get; init; } = 10000.0;

    /// <summary>
    /// The part of a head that is rotated; null where a config must not say that it is another one than all.
    /// </summary>
    public double? Partial { get; init; }

    /// <summary>Whether neighbours are pairs.</summary>
    public bool Interleaved { get; init; }

    /// <summary>The context that scaling extends, where the config states none; null takes the model's own.</summary>
    public int? Original { get; init; }

    /// <summary>
    /// Whether <c>dynamic</c> with an <c>alpha</c> is one base for every length (Hunyuan).
    /// </summary>
    public bool HasAlpha { get; init; }

    /// <summary>Whether <c>yarn</c> was once the name of <c>longrope</c>.</summary>
    public bool YarnIsLongRope { get; init; }

    /// <summary>The config's field of the base beside <c>rope_parameters</c>.</summary>
    public string ThetaField { get; init; } = "rope_theta";

    /// <summary>The config's field of the rotated part beside <c>rope_parameters</c>.</summary>
    public string PartialField { get; init; } = "partial_rotary_factor";
}

/// <summary>
/// The rotary fields of a config: <c>rope_theta</c> and <c>rope_scaling</c> (with <c>rope_type</c>, once <c>type</c>),
/// or since transformers 5 <c>rope_parameters</c>, which holds both. An empty object says nothing, and where both hold
/// something the older name counts: transformers 5.24, <c>modeling_rope_utils.py</c>.
/// </summary>
internal static class RotaryConfig
{
    private const string OriginalField = "original_max_position_embeddings";

    /// <summary>The positions of all layers.</summary>
    public static RotaryPositions Read(ConfigReader config, int headDim, RotaryTraits traits) =>
        Read(config, SectionOf(config), headDim, traits);

    /// <summary>What states them, or null: the older name, where both do.</summary>
    public static ConfigReader? SectionOf(ConfigReader config) =>
        Filled(config, "rope_scaling") ?? Filled(config, "rope_parameters");

    /// <summary>
    /// The positions of layers of a type, which <c>rope_parameters</c> may state apart, by the type's name; what
    /// <c>rope_scaling</c> states beside it counts before it.
    /// </summary>
    public static RotaryPositions Read(ConfigReader config, string layerType, int headDim, RotaryTraits traits) =>
        config.Section("rope_parameters")?.Section(layerType) is { } section
            ? Read(
                config, Filled(config, "rope_scaling") is { } scaling ? section.UpdatedBy(scaling) : section, headDim,
                traits)
            : Read(config, headDim, traits);

    /// <summary>
    /// The positions of layers of a type, which the config's older form states by a base alone: its scaling is of the
    /// other layers.
    /// </summary>
    public static RotaryPositions ReadUnscaled(
        ConfigReader config, string layerType, int headDim, RotaryTraits traits) =>
        Read(config, config.Section("rope_parameters")?.Section(layerType), headDim, traits);

    private static RotaryPositions Read(
        ConfigReader config, ConfigReader? section, int headDim, RotaryTraits traits)
    {
        // What states the same twice is known, though only one of the two counts.
        config.Knows("rope_parameters", "rope_scaling", traits.ThetaField, traits.PartialField, OriginalField);
        if (section?.Section("full_attention") is not null || section?.Section("sliding_attention") is not null)
        {
            throw new UnsupportedModelException(
                config.File, section.PathOf("full_attention"), "an object", "one set of parameters for all layers");
        }

        double theta = section?.Positive("rope_theta") ?? config.Positive(traits.ThetaField) ?? traits.Theta;
        double partial = PartialOf(config, section, traits);
        string type = TypeOf(section, traits);
        int dims = type == "proportional" ? headDim : (int)(headDim * partial);
        if (partial > 1 || dims < 2 || dims % 2 != 0)
        {
            throw config.Invalid(
                traits.PartialField,
                string.Create(
                    CultureInfo.InvariantCulture, $"is {partial}; of heads of {headDim} it must rotate whole pairs"));
        }

        return new RotaryPositions(theta, section is null ? null : type switch
        {
            "longrope" => LongRope(config, section, dims / 2, traits),
            "dynamic" => Dynamic(config, section, traits),
            "proportional" => new ProportionalRopeScaling(
                (int)(partial * headDim / 2), section.Positive("factor") ?? 1),
            _ => Scaling(config, section, type),
        })
        {
            Dims = dims == headDim ? null : dims,
            Interleaved = traits.Interleaved,
        };
    }

    private static double PartialOf(ConfigReader config, ConfigReader? section, RotaryTraits traits)
    {
        foreach ((ConfigReader reader, string field) in new[]
        {
            (section ?? config, "partial_rotary_factor"), (config, traits.PartialField),
        })
        {
            if (reader.Positive(field) is { } stated)
            {
                return traits.Partial is not null || stated == 1
                    ? stated
                    : throw new UnsupportedModelException(
                        config.File, reader.PathOf(field), stated.ToString(CultureInfo.InvariantCulture), "1");
            }
        }

        return traits.Partial ?? 1;
    }

    private static string TypeOf(ConfigReader? section, RotaryTraits traits)
    {
        if (section is null)
        {
            return "default";
        }

        // A factor without a type would be scaling that nobody said how to do.
        string type = section.Text("rope_type") ?? section.Text("type")
            ?? (section.Has("factor") ? throw section.Missing("rope_type") : "default");
        return type == "su" || (type == "yarn" && traits.YarnIsLongRope) ? "longrope" : type;
    }

    private static RopeScaling? Scaling(ConfigReader config, ConfigReader section, string type)
    {
        return type switch
        {
            // Of text, the three positions that mrope rotates by are one.
            "default" or "mrope" => null,
            "linear" => new LinearRopeScaling(Required(section, "factor")),
            "llama3" => Llama3(config, section),
            "yarn" => Yarn(config, section),
            _ => throw new UnsupportedModelException(
                config.File,
                section.PathOf(section.Has("rope_type") ? "rope_type" : "type"),
                $"'{type}'",
                "default",
                "linear",
                "dynamic",
                "llama3",
                "yarn",
                "longrope",
                "proportional"),
        };
    }

    private static ConfigReader? Filled(ConfigReader config, string field) =>
        config.Section(field) is { } section && config.Find(field)!.Value.EnumerateObject().Any() ? section : null;

    private static Llama3RopeScaling Llama3(ConfigReader config, ConfigReader section)
    {
        double low = Required(section, "low_freq_factor");
        double high = Required(section, "high_freq_factor");
        if (high <= low)
        {
            throw section.Invalid(
                "high_freq_factor",
                string.Create(CultureInfo.InvariantCulture, $"is {high}; it must be above low_freq_factor, {low}"));
        }

        return new Llama3RopeScaling(
            Required(section, "factor"),
            low,
            high,
            Original(config, section));
    }

    /// <summary>
    /// The context that scaling extends: stated for the model, or for its positions, or the model's own.
    /// </summary>
    public static int Original(ConfigReader config, ConfigReader section, int? fallback = null)
    {
        return config.Integer(OriginalField, 1, ConfigLimits.Positions)
            ?? section.Integer(OriginalField, 1, ConfigLimits.Positions)
            ?? fallback ?? config.Size("max_position_embeddings", ConfigLimits.Positions);
    }

    private static RopeScaling Dynamic(ConfigReader config, ConfigReader section, RotaryTraits traits)
    {
        int context = config.Size("max_position_embeddings", ConfigLimits.Positions);
        double? alpha = section.Positive("alpha");
        if (alpha is not null && !traits.HasAlpha)
        {
            throw new UnsupportedModelException(
                config.File, section.PathOf("alpha"), section.Find("alpha")!.Value.GetRawText(), "null");
        }

        return alpha is { } stretch
            ? new NtkRopeScaling(stretch)
            : new DynamicRopeScaling(Required(section, "factor"), context);
    }

    private static LongRopeScaling LongRope(
        ConfigReader config, ConfigReader section, int pairs, RotaryTraits traits)
    {
        int original = Original(config, section, traits.Original);
        double factor = section.Positive("factor")
            ?? config.Size("max_position_embeddings", ConfigLimits.Positions) / (double)original;
        double sharpening = section.Positive("attention_factor")
            ?? (factor <= 1 ? 1 : Math.Sqrt(1 + (Math.Log(factor) / Math.Log(original))));
        return new LongRopeScaling(Factors("short_factor"), Factors("long_factor"), original, sharpening);

        IReadOnlyList<double> Factors(string field)
        {
            IReadOnlyList<double> factors = section.Numbers(field);
            return factors.Count == pairs && factors.All(divisor => divisor > 0)
                ? factors
                : throw section.Invalid(field, $"must be {pairs} numbers above 0, one for each pair of a head");
        }
    }

    private static YarnRopeScaling Yarn(ConfigReader config, ConfigReader section)
    {
        int original = Original(config, section);
        double factor = section.Positive("factor")
            ?? config.Size("max_position_embeddings", ConfigLimits.Positions) / (double)original;
        double? mscale = section.Number("mscale"), mscaleAll = section.Number("mscale_all_dim");
        double sharpening = section.Positive("attention_factor")
            ?? (mscale is { } one and not 0 && mscaleAll is { } all and not 0
                ? Sharpening(factor, one) / Sharpening(factor, all)
                : Sharpening(factor, 1));
        return new YarnRopeScaling(
            factor, Given(section.Number("beta_fast"), 32), Given(section.Number("beta_slow"), 1), original, sharpening,
            section.Flag("truncate", true));
    }

    // Python's "or": 0 counts as absent.
    private static double Given(double? value, double fallback) => value is { } number and not 0 ? number : fallback;

    private static double Sharpening(double factor, double scale) =>
        factor <= 1 ? 1 : (0.1 * scale * Math.Log(factor)) + 1;

    private static double Required(ConfigReader section, string field) =>
        section.Positive(field) ?? throw section.Missing(field);
}

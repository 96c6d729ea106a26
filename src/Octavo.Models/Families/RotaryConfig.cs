using System.Globalization;
using Octavo.Formats;

namespace Octavo.Models;

/// <summary>
/// The rotary fields of a config: <c>rope_theta</c> and <c>rope_scaling</c> (with <c>rope_type</c>, once <c>type</c>),
/// or since transformers 5 <c>rope_parameters</c>, which holds both. An empty object says nothing, and where both hold
/// something the older name counts: transformers 5.24, <c>modeling_rope_utils.py</c>.
/// </summary>
internal static class RotaryConfig
{
    private const double DefaultTheta = 10000.0;

    public static RotaryPositions Read(ConfigReader config)
    {
        ConfigReader? section = Filled(config, "rope_scaling") ?? Filled(config, "rope_parameters");
        double theta = section?.Positive("rope_theta") ?? config.Positive("rope_theta") ?? DefaultTheta;
        if (section is null)
        {
            return new RotaryPositions(theta, null);
        }

        if (section.Number("partial_rotary_factor") is { } factor and not 1.0)
        {
            throw new UnsupportedModelException(
                config.File, section.PathOf("partial_rotary_factor"), factor.ToString(CultureInfo.InvariantCulture),
                "1");
        }

        // A factor without a type would be scaling that nobody said how to do.
        string type = section.Text("rope_type") ?? section.Text("type")
            ?? (section.Has("factor") ? throw section.Missing("rope_type") : "default");
        return new RotaryPositions(theta, type switch
        {
            "default" => null,
            "linear" => new LinearRopeScaling(Required(section, "factor")),
            "llama3" => Llama3(section),
            _ => throw new UnsupportedModelException(
                config.File,
                section.PathOf(section.Has("rope_type") ? "rope_type" : "type"),
                $"'{type}'",
                "default",
                "linear",
                "llama3"),
        });
    }

    private static ConfigReader? Filled(ConfigReader config, string field) =>
        config.Section(field) is { } section && config.Find(field)!.Value.EnumerateObject().Any() ? section : null;

    private static Llama3RopeScaling Llama3(ConfigReader section)
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
            section.Size("original_max_position_embeddings", ConfigLimits.Positions));
    }

    private static double Required(ConfigReader section, string field) =>
        section.Positive(field) ?? throw section.Missing(field);
}

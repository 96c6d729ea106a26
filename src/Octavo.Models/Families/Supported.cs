using Octavo.Formats;

namespace Octavo.Models;

/// <summary>Refuses values of a config that would change the results and are not handled.</summary>
internal static class Supported
{
    /// <summary>A field must have a value, or be absent where that is the family's default.</summary>
    public static void Require<T>(ConfigReader config, string field, T value, T supported)
        where T : IEquatable<T>
    {
        if (!value.Equals(supported))
        {
            throw new UnsupportedModelException(
                config.File, config.PathOf(field), FormattableString.Invariant($"{value}"),
                FormattableString.Invariant($"{supported}"));
        }
    }

    /// <summary>Key-value heads, which each stand for as many query heads.</summary>
    public static int KvHeads(ConfigReader config, string field, int kvHeads, int heads) => heads % kvHeads == 0
        ? kvHeads
        : throw config.Invalid(field, $"is {kvHeads}; it must divide num_attention_heads, {heads}");

    /// <summary>A field must be absent or null.</summary>
    public static void RequireNull(ConfigReader config, string field, string meaning)
    {
        if (config.Find(field) is { } value)
        {
            throw new UnsupportedModelException(
                config.File, config.PathOf(field), value.GetRawText(), $"null ({meaning})");
        }
    }
}

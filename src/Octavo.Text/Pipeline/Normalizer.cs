using System.Text;
using Octavo.Text.Patterns;

namespace Octavo.Text.Pipeline;

/// <summary>Rewrites text before it is cut. Stateless.</summary>
internal abstract class Normalizer
{
    public abstract string Apply(string text);
}

/// <summary>One of the four Unicode normalization forms.</summary>
internal sealed class UnicodeFormNormalizer(NormalizationForm form) : Normalizer
{
    public override string Apply(string text) => UnicodeNormalization.Normalize(text, form);
}

/// <summary>Full lower case, character by character, without regard to context.</summary>
internal sealed class LowercaseNormalizer : Normalizer
{
    // 'İ' is the one character whose lower case is two characters.
    public override string Apply(string text) =>
        text.Replace("İ", "i\u0307", StringComparison.Ordinal).ToLowerInvariant();
}

/// <summary>Puts a string before any text that is not empty.</summary>
internal sealed class PrependNormalizer(string prefix) : Normalizer
{
    public override string Apply(string text) => text.Length == 0 ? text : prefix + text;
}

/// <summary>Replaces each match of a pattern.</summary>
internal sealed class ReplaceNormalizer(TextPattern pattern, string replacement) : Normalizer
{
    public override string Apply(string text) => pattern.Replace(text, replacement);
}

/// <summary>Several, in order.</summary>
internal sealed class SequenceNormalizer(Normalizer[] parts) : Normalizer
{
    public override string Apply(string text) =>
        parts.Aggregate(text, static (current, part) => part.Apply(current));
}

using System.Text;
using Octavo.Text.Tokens;

namespace Octavo.Text.Pipeline;

/// <summary>Takes blanks off the ends.</summary>
internal sealed class StripNormalizer(bool left, bool right) : Normalizer
{
    public override string Apply(string text) => (left, right) switch
    {
        (true, true) => text.Trim(),
        (true, false) => text.TrimStart(),
        (false, true) => text.TrimEnd(),
        (false, false) => text,
    };
}

/// <summary>Takes all marks out; those within a composed character only after decomposition.</summary>
internal sealed class StripAccentsNormalizer : Normalizer
{
    public override string Apply(string text)
    {
        if (Ascii.IsValid(text))
        {
            return text;
        }

        StringBuilder result = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (!CharacterClasses.IsMark(rune))
            {
                result.Append(rune);
            }
        }

        return result.ToString();
    }
}

/// <summary>Spells each byte of the text's UTF-8 in the byte-level alphabet.</summary>
internal sealed class ByteLevelNormalizer : Normalizer
{
    public override string Apply(string text) => ByteAlphabet.Spell(text);
}

/// <summary>
/// The clean-up of machine translation: control characters vanish, and what means a blank becomes one.
/// Source: sentencepiece's <c>nmt</c> rules.
/// </summary>
internal sealed class NmtNormalizer : Normalizer
{
    public override string Apply(string text)
    {
        StringBuilder result = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            switch (rune.Value)
            {
                case (>= 1 and <= 8) or 0x0B or (>= 0x0E and <= 0x1F) or 0x7F or 0x8F or 0x9F:
                    break;
                case 9 or 0x0A or 0x0C or 0x0D or 0x1680 or (>= 0x200B and <= 0x200F) or 0x2028 or 0x2029 or 0x2581
                    or 0xFEFF or 0xFFFD:
                    result.Append(' ');
                    break;
                default:
                    result.Append(rune);
                    break;
            }
        }

        return result.ToString();
    }
}

/// <summary>What BERT does to text first. Source: <c>BasicTokenizer</c> of BERT's <c>tokenization.py</c>.</summary>
internal sealed class BertNormalizer(bool cleanText, bool spaceIdeographs, bool stripAccents, bool lowercase)
    : Normalizer
{
    private static readonly LowercaseNormalizer s_lowercase = new();

    public override string Apply(string text)
    {
        text = cleanText || spaceIdeographs ? Clean(text) : text;
        text = stripAccents ? WithoutAccents(text) : text;
        return lowercase ? s_lowercase.Apply(text) : text;
    }

    private string Clean(string text)
    {
        StringBuilder result = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (cleanText && (rune.Value is 0 or 0xFFFD || CharacterClasses.IsControl(rune)))
            {
                continue;
            }

            Rune kept = cleanText && CharacterClasses.IsSpace(rune) ? new Rune(' ') : rune;
            if (spaceIdeographs && CharacterClasses.IsIdeograph(kept))
            {
                result.Append(' ').Append(kept).Append(' ');
            }
            else
            {
                result.Append(kept);
            }
        }

        return result.ToString();
    }

    private static string WithoutAccents(string text)
    {
        string decomposed = UnicodeNormalization.Normalize(text, NormalizationForm.FormD);
        StringBuilder result = new(decomposed.Length);
        foreach (Rune rune in decomposed.EnumerateRunes())
        {
            if (Rune.GetUnicodeCategory(rune) != System.Globalization.UnicodeCategory.NonSpacingMark)
            {
                result.Append(rune);
            }
        }

        return result.ToString();
    }
}

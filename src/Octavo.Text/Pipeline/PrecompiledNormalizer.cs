using System.Globalization;
using System.Text;

namespace Octavo.Text.Pipeline;

/// <summary>
/// sentencepiece's rules as the tokenizers library applies them: to a short grapheme as a whole by the shortest rule
/// that fits its beginning, else to each of its characters.
/// </summary>
internal sealed class PrecompiledNormalizer(PrecompiledCharacterMap map) : Normalizer
{
    // A grapheme of this many bytes is taken apart.
    private const int LongBytes = 6;

    public override string Apply(string text)
    {
        StringBuilder result = new(text.Length);
        ReadOnlySpan<char> rest = text;
        Span<char> units = stackalloc char[2];
        while (!rest.IsEmpty)
        {
            int length = StringInfo.GetNextTextElementLength(rest);
            ReadOnlySpan<char> grapheme = rest[..length];
            if (Encoding.UTF8.GetByteCount(grapheme) >= LongBytes || !TryReplace(grapheme, result))
            {
                foreach (Rune rune in grapheme.EnumerateRunes())
                {
                    ReadOnlySpan<char> character = units[..rune.EncodeToUtf16(units)];
                    if (!TryReplace(character, result))
                    {
                        result.Append(character);
                    }
                }
            }

            rest = rest[length..];
        }

        return result.ToString();
    }

    private bool TryReplace(ReadOnlySpan<char> text, StringBuilder result)
    {
        Span<byte> utf8 = stackalloc byte[LongBytes];
        string? replacement = map.Find(utf8[..Encoding.UTF8.GetBytes(text, utf8)], longest: false, out _);
        result.Append(replacement);
        return replacement is not null;
    }
}

using System.Globalization;
using System.Text;

namespace Octavo.Text.Models;

/// <summary>The tokens &lt;0x00&gt; to &lt;0xFF&gt; that spell out what a vocabulary has no other token for.</summary>
internal sealed class ByteTokens
{
    private readonly int[] _ids = new int[256]; // -1: none

    public ByteTokens(Dictionary<string, int> vocab)
    {
        for (int value = 0; value < 256; value++)
        {
            _ids[value] = vocab.TryGetValue(Spell((byte)value), out int id) ? id : -1;
        }
    }

    public static string Spell(byte value) => string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>");

    /// <summary>The byte that a token stands for; false where it is none of them.</summary>
    public static bool TryParse(ReadOnlySpan<char> token, out byte value)
    {
        value = 0;
        return token.Length == 6 && token.StartsWith("<0x") && token[5] == '>'
            && byte.TryParse(token[3..5], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }

    /// <summary>Appends a text byte by byte; false, and nothing appended, where a byte has no token.</summary>
    public bool TryEncode(ReadOnlySpan<char> text, List<int> ids)
    {
        int first = ids.Count;
        Span<byte> utf8 = stackalloc byte[4];
        foreach (Rune rune in text.EnumerateRunes())
        {
            foreach (byte value in utf8[..rune.EncodeToUtf8(utf8)])
            {
                if (_ids[value] < 0)
                {
                    ids.RemoveRange(first, ids.Count - first);
                    return false;
                }

                ids.Add(_ids[value]);
            }
        }

        return true;
    }
}

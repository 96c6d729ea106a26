using System.Buffers;
using System.Globalization;
using System.Text;

namespace Octavo.Cli.Tokenize;

/// <summary>A token as it is shown.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Token">Its spelling in the vocabulary; null for an id without a token.</param>
/// <param name="Bytes">What it stands for in text.</param>
/// <param name="IsSpecial">Whether it steers the model rather than stand for text.</param>
internal sealed record TokenView(int Id, string? Token, byte[] Bytes, bool IsSpecial)
{
    /// <summary>The bytes in hexadecimal.</summary>
    public string Hex => Convert.ToHexStringLower(Bytes);

    /// <summary>
    /// The bytes as text in quotes; what is no character of its own is escaped: control characters, <c>\xE2</c> for a
    /// byte that is only part of one. A special token stands without quotes.
    /// </summary>
    public string Quoted => IsSpecial ? Escaped : $"\"{Escaped}\"";

    private string Escaped
    {
        get
        {
            StringBuilder text = new();
            for (ReadOnlySpan<byte> rest = Bytes; rest.Length > 0;)
            {
                bool valid = Rune.DecodeFromUtf8(rest, out Rune rune, out int length) == OperationStatus.Done;
                if (valid)
                {
                    Append(text, rune);
                }
                else
                {
                    foreach (byte value in rest[..length])
                    {
                        text.Append(CultureInfo.InvariantCulture, $"\\x{value:X2}");
                    }
                }

                rest = rest[length..];
            }

            return text.ToString();
        }
    }

    private static void Append(StringBuilder text, Rune rune) => _ = rune.Value switch
    {
        '\n' => text.Append("\\n"),
        '\r' => text.Append("\\r"),
        '\t' => text.Append("\\t"),
        '"' => text.Append("\\\""),
        '\\' => text.Append("\\\\"),
        ' ' => text.Append(' '),
        _ => IsInvisible(rune)
            ? text.Append(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:X}}}")
            : text.Append(rune.ToString()),
    };

    private static bool IsInvisible(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
        or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned;
}

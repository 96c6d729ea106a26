using System.Globalization;
using System.Text;

namespace Octavo.Text.Templates;

/// <summary>What a string literal stands for: Python's escapes; a backslash before anything else stays.</summary>
internal static class StringLiteral
{
    private const string Letters = "abfnrtv\\'\"";
    private const string Meanings = "\a\b\f\n\r\t\v\\'\"";

    /// <summary>The text of a literal.</summary>
    /// <param name="literal">What stands between the quotes.</param>
    /// <param name="position">Where errors are.</param>
    public static string Unescape(ReadOnlySpan<char> literal, int position)
    {
        if (!literal.Contains('\\'))
        {
            return literal.ToString();
        }

        var text = new StringBuilder(literal.Length);
        for (int i = 0; i < literal.Length; i++)
        {
            if (literal[i] != '\\')
            {
                text.Append(literal[i]);
                continue;
            }

            char c = literal[++i];
            int letter = Letters.IndexOf(c);
            if (letter >= 0)
            {
                text.Append(Meanings[letter]);
            }
            else if (c is >= '0' and <= '7')
            {
                int value = 0, digits = 0;
                for (; digits < 3 && i + digits < literal.Length && literal[i + digits] is >= '0' and <= '7'; digits++)
                {
                    value = (value * 8) + (literal[i + digits] - '0');
                }

                text.Append((char)value);
                i += digits - 1;
            }
            else if (c is 'x' or 'u' or 'U')
            {
                int digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
                if (i + digits >= literal.Length
                    || !int.TryParse(
                        literal.Slice(i + 1, digits),
                        NumberStyles.AllowHexSpecifier,
                        CultureInfo.InvariantCulture,
                        out int value)
                    || value is < 0 or > 0x10FFFF)
                {
                    throw new TemplateFault($"\\{c} needs {digits} hexadecimal digits of a character", position);
                }

                text.Append(value > 0xFFFF ? char.ConvertFromUtf32(value) : ((char)value).ToString());
                i += digits;
            }
            else if (c == 'N')
            {
                throw new TemplateFault("characters by name (\\N) are not supported; use \\u", position);
            }
            else if (c != '\n')
            {
                text.Append('\\').Append(c);
            }
        }

        return text.ToString();
    }
}

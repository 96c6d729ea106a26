using System.Globalization;
using System.Runtime.CompilerServices;

namespace Octavo.Text.Patterns;

/// <summary>A set of characters that is one of general categories beyond ASCII, and any within it.</summary>
internal sealed class CharacterSet
{
    // Kinds of characters: the general categories, but line ends and the other blanks among the control characters
    // are kinds of their own, so that \s is a set of kinds, too.
    private const int LineEnd = 30;
    private const int ControlBlank = 31;

    private const uint Blanks = (1u << (int)UnicodeCategory.SpaceSeparator)
        | (1u << (int)UnicodeCategory.LineSeparator) | (1u << (int)UnicodeCategory.ParagraphSeparator)
        | (1u << LineEnd) | (1u << ControlBlank);

    private static readonly byte[] s_kinds = BuildKinds();

    private readonly bool[] _ascii = new bool[128];
    private readonly uint _kinds;

    private CharacterSet(uint kinds, ReadOnlySpan<char> ascii, bool negated)
    {
        for (int c = 0; c < _ascii.Length; c++)
        {
            _ascii[c] = (Has(kinds, s_kinds[c]) || ascii.Contains((char)c)) != negated;
        }

        _kinds = negated ? ~kinds : kinds;
    }

    /// <summary>Blanks: <c>\s</c>.</summary>
    public static CharacterSet Blank { get; } = new(Blanks, [], negated: false);

    /// <summary>Whether an ASCII character is in it.</summary>
    public bool HasAscii(char c) => _ascii[c];

    /// <summary>Where the character at a position ends if it is in the set; else the position.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Step(ReadOnlySpan<char> text, int position)
    {
        if ((uint)position >= (uint)text.Length)
        {
            return position;
        }

        char c = text[position];
        return c < 128 ? position + (_ascii[c] ? 1 : 0) : StepBeyondAscii(text, position);
    }

    /// <summary>Where a run of characters of the set ends; the position where there is none.</summary>
    public int Run(ReadOnlySpan<char> text, int position)
    {
        bool[] ascii = _ascii;
        int end = position;
        while ((uint)end < (uint)text.Length)
        {
            int c = text[end];
            if (c < ascii.Length)
            {
                if (!ascii[c])
                {
                    break;
                }

                end++;
                continue;
            }

            int next = StepBeyondAscii(text, end);
            if (next == end)
            {
                break;
            }

            end = next;
        }

        return end;
    }

    /// <summary>The same for a run of at most so many characters.</summary>
    public int Run(ReadOnlySpan<char> text, int position, int most)
    {
        for (int i = 0; i < most; i++)
        {
            int next = Step(text, position);
            if (next == position)
            {
                break;
            }

            position = next;
        }

        return position;
    }

    /// <summary>
    /// Reads one at a position of an expression: a class of categories, <c>\s</c> and ASCII characters, one of these
    /// by itself, or a blank. Null, and the position anywhere, where something else stands there.
    /// </summary>
    public static CharacterSet? TryRead(string expression, ref int position)
    {
        uint kinds = 0;
        List<char> ascii = [];
        if (expression[position] != '[')
        {
            return TryReadMember(expression, ref position, ref kinds, ascii, inClass: false)
                ? new CharacterSet(kinds, ascii.ToArray(), negated: false)
                : null;
        }

        position++;
        bool negated = position < expression.Length && expression[position] == '^';
        position += negated ? 1 : 0;
        while (position < expression.Length && expression[position] != ']')
        {
            if (!TryReadMember(expression, ref position, ref kinds, ascii, inClass: true))
            {
                return null;
            }
        }

        position++;

        // Beyond ASCII a line end is named only along with all others of its kind.
        return position <= expression.Length ? new CharacterSet(kinds, ascii.ToArray(), negated) : null;
    }

    private static bool TryReadMember(
        string expression, ref int position, ref uint kinds, List<char> ascii, bool inClass)
    {
        char c = expression[position++];
        if (c != '\\')
        {
            char next = position < expression.Length ? expression[position] : '\0';
            bool plain = c < 128
                && (inClass ? c is not ('[' or '-') && (c, next) is not ('&', '&') : c is ' ' or '\r' or '\n');
            if (plain && inClass && next == '-' && position + 1 < expression.Length)
            {
                char last = expression[position + 1];
                position += 2;
                for (; last < 128 && char.IsAsciiLetterOrDigit(c) && char.IsAsciiLetterOrDigit(last) && c <= last; c++)
                {
                    ascii.Add(c);
                }

                return c == last + 1;
            }

            ascii.Add(c);
            return plain;
        }

        c = position < expression.Length ? expression[position++] : '\0';
        switch (c)
        {
            case 's':
                kinds |= Blanks;
                return true;
            case 'r' or 'n':
                ascii.Add(c == 'r' ? '\r' : '\n');
                return true;
            case 'p' when position + 2 < expression.Length && expression[position] == '{':
                int end = expression.IndexOf('}', position);
                uint category = end < 0 ? 0 : KindsOf(expression[(position + 1)..end]);
                position = end + 1;
                kinds |= category;
                return category != 0;
            default:
                ascii.Add(c);
                return c < 128 && (char.IsPunctuation(c) || char.IsSymbol(c));
        }
    }

    // Of letters, marks, numbers, punctuation and symbols; others would have to count the kinds that are no category.
    private static uint KindsOf(string name) => name switch
    {
        "L" => Mask(UnicodeCategory.UppercaseLetter, UnicodeCategory.OtherLetter),
        "Lu" => Mask(UnicodeCategory.UppercaseLetter),
        "Ll" => Mask(UnicodeCategory.LowercaseLetter),
        "Lt" => Mask(UnicodeCategory.TitlecaseLetter),
        "Lm" => Mask(UnicodeCategory.ModifierLetter),
        "Lo" => Mask(UnicodeCategory.OtherLetter),
        "M" => Mask(UnicodeCategory.NonSpacingMark, UnicodeCategory.EnclosingMark),
        "N" => Mask(UnicodeCategory.DecimalDigitNumber, UnicodeCategory.OtherNumber),
        "P" => Mask(UnicodeCategory.ConnectorPunctuation, UnicodeCategory.OtherPunctuation),
        "S" => Mask(UnicodeCategory.MathSymbol, UnicodeCategory.OtherSymbol),
        _ => 0,
    };

    private static uint Mask(UnicodeCategory first, UnicodeCategory? last = null)
    {
        uint mask = 0;
        for (UnicodeCategory category = first; category <= (last ?? first); category++)
        {
            mask |= 1u << (int)category;
        }

        return mask;
    }

    private static bool Has(uint kinds, int kind) => (kinds >> kind & 1) != 0;

    private int StepBeyondAscii(ReadOnlySpan<char> text, int position)
    {
        char c = text[position];
        if (!char.IsHighSurrogate(c) || position + 1 >= text.Length)
        {
            return position + (Has(_kinds, s_kinds[c]) ? 1 : 0);
        }

        UnicodeCategory category = CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(c, text[position + 1]));
        return position + (Has(_kinds, (int)category) ? 2 : 0);
    }

    private static byte[] BuildKinds()
    {
        byte[] kinds = new byte[0x10000];
        for (int c = 0; c < kinds.Length; c++)
        {
            UnicodeCategory category = char.GetUnicodeCategory((char)c);
            kinds[c] = (char)c is '\r' or '\n' ? (byte)LineEnd
                : category == UnicodeCategory.Control && char.IsWhiteSpace((char)c) ? (byte)ControlBlank
                : (byte)category;
        }

        return kinds;
    }
}

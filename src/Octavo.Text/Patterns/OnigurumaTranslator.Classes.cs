using System.Globalization;

namespace Octavo.Text.Patterns;

// Escapes and character classes.
internal sealed partial class OnigurumaTranslator
{
    // \w as Oniguruma has it: alphabetic, marks, decimal digits, connectors. U+24B6 to U+24E9 are circled letters.
    private const string Word = "\\p{L}\\p{Nl}\\p{M}\\p{Nd}\\p{Pc}\\u24B6-\\u24E9";

    // White_Space, spelled out so that it hangs on no engine's idea of \s.
    private const string Space =
        "\\t-\\r\\u0020\\u0085\\u00A0\\u1680\\u2000-\\u200A\\u2028\\u2029\\u202F\\u205F\\u3000";

    private static readonly Dictionary<string, string> s_categoryNames = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Letter"] = "L",
        ["Mark"] = "M",
        ["Number"] = "N",
        ["Punctuation"] = "P",
        ["Symbol"] = "S",
        ["Separator"] = "Z",
        ["Other"] = "C",
        ["Uppercase_Letter"] = "Lu",
        ["Lowercase_Letter"] = "Ll",
        ["Decimal_Number"] = "Nd",
    };

    private static readonly string[] s_categories =
    [
        "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No",
        "P", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So",
        "Z", "Zs", "Zl", "Zp", "C", "Cc", "Cf", "Cn", "Co", "Cs",
    ];

    private bool Escape(bool ignoreCase)
    {
        if (TryTake("A") || TryTake("z"))
        {
            _target.Append('\\').Append(_source[_position - 1]);
            return false;
        }

        if (TryTake("b"))
        {
            if (_bySets)
            {
                AppendWordBoundary();
                return false;
            }

            _target.Append($"(?:(?<=[{Word}])(?![{Word}])|(?<![{Word}])(?=[{Word}]))");
            return false;
        }

        if (_bySets)
        {
            if (ShorthandSet(ignoreCase) is { } set)
            {
                AppendSet(set);
                return true;
            }
        }
        else if (Shorthand(ignoreCase) is { } members)
        {
            _target.Append(members.Negated ? "[^" : "[").Append(members.Set).Append(']');
            return true;
        }

        Literal(EscapedCharacter(), ignoreCase);
        return true;
    }

    /// <summary>The set that \s, \p{L} and the like stand for; null where the escape is a character.</summary>
    private (string Set, bool Negated)? Shorthand(bool ignoreCase)
    {
        if (AtEnd)
        {
            throw Refuse("a \\ at its end");
        }

        switch (_source[_position])
        {
            case 's' or 'S':
                return (Space, Take() == 'S');
            case 'd' or 'D':
                return ("\\p{Nd}", Take() == 'D');
            case 'w' or 'W':
                return (Word, Take() == 'W');
            case 'p' or 'P':
                bool negated = Take() == 'P';
                return (Category(ignoreCase, ref negated), negated);
            default:
                return null;
        }
    }

    private string Category(bool ignoreCase, ref bool negated)
    {
        int close = _source.IndexOf('}', _position);
        if (!TryTake("{") || close < 0)
        {
            throw Refuse("a \\p without {…}");
        }

        negated ^= TryTake("^");
        string name = _source[_position..close].Trim();
        string category = s_categoryNames.GetValueOrDefault(name, name);
        string? known = Array.Find(s_categories, c => c.Equals(category, StringComparison.OrdinalIgnoreCase));
        if (known is null)
        {
            throw Refuse($"the property \\p{{{name}}}");
        }

        if (ignoreCase && known is "Lu" or "Ll" or "Lt")
        {
            throw Refuse($"\\p{{{name}}} under (?i)");
        }

        _position = close + 1;
        return $"\\p{{{known}}}";
    }

    // Two ways: a word begins, or it ends.
    private void AppendWordBoundary()
    {
        foreach (string part in new[] { "(?:(?<=", ")(?!", ")|(?<!", ")(?=" })
        {
            _target.Append(part);
            AppendSet(WordSet);
        }

        _target.Append("))");
    }

    private int EscapedCharacter()
    {
        char c = Take();
        switch (c)
        {
            case 't':
                return '\t';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 'f':
                return '\f';
            case 'v':
                return '\v';
            case 'a':
                return '\a';
            case 'e':
                return '\e';
            case 'u':
                return Hexadecimal(4);
            case 'x':
                if (!TryTake("{"))
                {
                    return Hexadecimal(2);
                }

                int digits = _source.IndexOf('}', _position) - _position;
                int braced = Hexadecimal(digits);
                _position++;
                return braced;
            default:
                return char.IsAsciiLetterOrDigit(c) ? throw Refuse($"the escape \\{c}") : c;
        }
    }

    private int Hexadecimal(int digits)
    {
        if (digits is < 1 or > 8
            || _position + digits > _source.Length
            || !int.TryParse(_source.AsSpan(_position, digits), NumberStyles.AllowHexSpecifier, null, out int value))
        {
            throw Refuse("a malformed hexadecimal escape");
        }

        if (value is < 0 or > 0x10FFFF or (>= 0xD800 and <= 0xDFFF))
        {
            throw Refuse("an escape that is no character");
        }

        if (value > 0xFFFF && !_bySets)
        {
            throw Refuse("an escaped character outside the basic plane");
        }

        _position += digits;
        return value;
    }

    private void CharacterClass(bool ignoreCase)
    {
        _target.Append(TryTake("^") ? "[^" : "[");
        if (!AtEnd && _source[_position] == ']')
        {
            throw Refuse("an empty class");
        }

        while (!TryTake("]"))
        {
            ClassItem(ignoreCase);
        }

        _target.Append(']');
    }

    private void ClassItem(bool ignoreCase)
    {
        char c = Take();
        if (c == '[' || (c == '&' && TryTake("&")))
        {
            throw Refuse(c == '[' ? "a class within a class" : "an intersection of classes");
        }

        if (c == '\\')
        {
            if (Shorthand(ignoreCase) is { } members)
            {
                AppendSet(members.Set, members.Negated);
                return;
            }

            c = (char)EscapedCharacter();
        }

        bool range = _position + 1 < _source.Length && _source[_position] == '-' && _source[_position + 1] != ']';
        if (range)
        {
            _position++;
            ClassRange(c, ignoreCase);
        }
        else if (ignoreCase && char.IsLetter(c))
        {
            CaseVariants(c);
        }
        else
        {
            AppendCharacter(c);
        }
    }

    private void ClassRange(char first, bool ignoreCase)
    {
        char last = Take();
        if (last == '\\')
        {
            last = (char)EscapedCharacter();
        }

        if (last < first || last == '[')
        {
            throw Refuse("a range that ends before it begins");
        }

        AppendCharacter(first);
        _target.Append('-');
        AppendCharacter(last);
        for (int c = first; c <= last; c++)
        {
            _named[c] = true;
        }

        if (!ignoreCase)
        {
            return;
        }

        for (int c = first; c <= last; c++)
        {
            if (char.IsLetter((char)c))
            {
                CaseVariants((char)c);
            }
        }
    }

    /// <summary>A shorthand within a class. A negated set of categories is the union of the others.</summary>
    private void AppendSet(string set, bool negated)
    {
        if (!negated)
        {
            _target.Append(set);
        }
        else if (set == Space)
        {
            _target.Append("\\S");
        }
        else if (set == Word)
        {
            throw Refuse("\\W within a class");
        }
        else
        {
            _target.Append("\\P").Append(set.AsSpan(2));
        }
    }
}

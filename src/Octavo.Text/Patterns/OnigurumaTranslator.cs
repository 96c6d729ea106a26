using System.Globalization;
using System.Text;

namespace Octavo.Text.Patterns;

/// <summary>
/// Rewrites an Oniguruma expression, as tokenizer.json files hold them, or one of Rust, as tiktoken's are, for .NET.
/// Only constructs whose meaning is carried over exactly pass; the others are refused by name. Case folding is spelled
/// out, because the engines differ in it ('ſ' is an 's' to Oniguruma).
/// </summary>
internal sealed partial class OnigurumaTranslator
{
    private const int MaxDepth = 64;
    private const string Supported =
        "supported are literals, classes, \\s \\d \\w \\p{general category or script}, " +
        "groups (?:) (?i:) (?>), lookaround (?=) (?!) (?<=) (?<!), anchors ^ $ \\A \\z \\b, alternation, " +
        "and quantifiers";

    private readonly string _source;
    private readonly StringBuilder _target = new();
    private readonly bool[] _named = new bool[0x10000];
    private int _position;

    private readonly bool _rust;
    private readonly bool _bySets;

    private OnigurumaTranslator(string source, bool rust) =>
        (_source, _rust, _bySets) = (source, rust, NeedsSets(source));

    /// <summary>
    /// Translates, or throws <see cref="FormatException"/>. What is matched is text as the result's second part maps
    /// it.
    /// </summary>
    /// <param name="source">The expression.</param>
    /// <param name="rust">
    /// Whether it is one of Rust: there ^ and $ are the ends of the text, and a + after an interval is possessive.
    /// </param>
    public static (string Pattern, CodePointText CodePoints) Translate(string source, bool rust)
    {
        OnigurumaTranslator translator = new(source, rust);
        translator.Alternatives(ignoreCase: false, depth: 0);
        if (translator._position < source.Length)
        {
            throw translator.Refuse("an unmatched )");
        }

        return translator._bySets
            ? translator.SpellSets()
            : (translator._target.ToString(), new CodePointText(c => translator._named[c]));
    }

    private bool AtEnd => _position >= _source.Length;

    private FormatException Refuse(string construct) =>
        new($"the expression has {construct} at character {_position}, which is not supported; {Supported}");

    private bool TryTake(string text)
    {
        if (string.CompareOrdinal(_source, _position, text, 0, text.Length) != 0)
        {
            return false;
        }

        _position += text.Length;
        return true;
    }

    private char Take() => AtEnd ? throw Refuse("an unfinished construct") : _source[_position++];

    private void Alternatives(bool ignoreCase, int depth)
    {
        if (depth > MaxDepth)
        {
            throw Refuse($"groups nested more than {MaxDepth} deep");
        }

        while (!AtEnd && _source[_position] != ')')
        {
            if (TryTake("|"))
            {
                _target.Append('|');
                continue;
            }

            int start = _target.Length;
            if (Atom(ref ignoreCase, depth))
            {
                Quantifiers(start);
            }
        }
    }

    /// <summary>Copies one atom. False for what takes no quantifier: an anchor or an inline option.</summary>
    private bool Atom(ref bool ignoreCase, int depth)
    {
        char c = Take();
        switch (c)
        {
            case '(':
                return Group(ref ignoreCase, depth);
            case '[' when _bySets:
                AppendSet(ClassSet(ignoreCase, depth: 0));
                return true;
            case '[':
                CharacterClass(ignoreCase);
                return true;
            case '.':
                _target.Append("[^\\n]");
                return true;
            case '^':
                _target.Append(_rust ? "\\A" : "(?m:^)");
                return false;
            case '$':
                _target.Append(_rust ? "\\z" : "(?m:$)");
                return false;
            case '*' or '+' or '?':
                throw Refuse($"a {c} with nothing before it");
            case '\\':
                return Escape(ignoreCase);
            default:
                Literal(char.IsHighSurrogate(c) && !AtEnd ? char.ConvertToUtf32(c, Take()) : c, ignoreCase);
                return true;
        }
    }

    private bool Group(ref bool ignoreCase, int depth)
    {
        if (TryTake("?i)"))
        {
            ignoreCase = true; // until the enclosing group ends
            return false;
        }

        bool inner = ignoreCase;
        if (TryTake("?i:"))
        {
            inner = true;
            _target.Append("(?:");
        }
        else if (TryTake("?-i:"))
        {
            inner = false;
            _target.Append("(?:");
        }
        else if (TryTake("?:"))
        {
            _target.Append("(?:");
        }
        else if (Array.Find(["?=", "?!", "?<=", "?<!", "?>"], TryTake) is { } opening)
        {
            _target.Append('(').Append(opening);
        }
        else if (!AtEnd && _source[_position] == '?')
        {
            throw Refuse("a group of an unknown kind");
        }
        else
        {
            _target.Append("(?:"); // nothing refers back to it
        }

        Alternatives(inner, depth + 1);
        if (!TryTake(")"))
        {
            throw Refuse("a ( without its )");
        }

        _target.Append(')');
        return true;
    }

    private void Quantifiers(int start)
    {
        int seen = 0;
        while (!AtEnd)
        {
            string quantifier;
            if (_source[_position] is '*' or '+' or '?')
            {
                quantifier = Take().ToString();
            }
            else if (Interval() is { } interval)
            {
                quantifier = interval;
            }
            else
            {
                return;
            }

            seen++;
            if (seen > 4)
            {
                throw Refuse("quantifiers upon quantifiers");
            }

            bool isInterval = quantifier[0] == '{';
            if (seen > 1)
            {
                _target.Insert(start, "(?:").Append(')');
            }

            _target.Append(quantifier);
            if (TryTake("?"))
            {
                _target.Append('?');
            }
            else if ((!isInterval || _rust) && TryTake("+"))
            {
                // Possessive, which .NET spells as an atomic group. After an interval, + is greedy to Oniguruma.
                _target.Insert(start, "(?>").Append(')');
            }
        }
    }

    private string? Interval()
    {
        if (_source[_position] != '{')
        {
            return null;
        }

        int close = _source.IndexOf('}', _position);
        string body = close < 0 ? "" : _source[(_position + 1)..close];
        string[] bounds = body.Split(',');
        bool valid = bounds.Length <= 2 && body.Length > 0 && body != ","
            && Array.TrueForAll(bounds, b => b.Length <= 4 && b.All(char.IsAsciiDigit));
        if (!valid)
        {
            throw Refuse("a { that starts no interval");
        }

        _position = close + 1;
        return bounds[0].Length == 0 ? $"{{0,{bounds[1]}}}" : $"{{{body}}}";
    }

    private void Literal(int point, bool ignoreCase)
    {
        if (point > 0xFFFF)
        {
            AppendSet(CodePointSet.Range(point, point));
            return;
        }

        char c = (char)point;
        if (!ignoreCase || !char.IsLetter(c))
        {
            AppendCharacter(c);
            return;
        }

        _target.Append('[');
        CaseVariants(c);
        _target.Append(']');
    }

    private void CaseVariants(char c)
    {
        foreach (char variant in CaseVariantsOf(c))
        {
            AppendCharacter(variant);
        }
    }

    private static IEnumerable<char> CaseVariantsOf(char c)
    {
        char lower = char.ToLower(c, CultureInfo.InvariantCulture);
        string more = lower switch
        {
            's' or 'ſ' => "sSſ",
            'k' => "\u212A", // the kelvin sign
            'å' => "\u212B", // the ångström sign
            _ => string.Empty,
        };
        return more.Prepend(char.ToUpper(c, CultureInfo.InvariantCulture)).Prepend(lower).Prepend(c);
    }

    /// <summary>Writes a character so that it stands for itself both in and out of a class.</summary>
    private void AppendCharacter(char c)
    {
        if (char.IsSurrogate(c))
        {
            throw Refuse("a character outside the basic plane");
        }

        _named[c] = true;
        if (char.IsAsciiLetterOrDigit(c))
        {
            _target.Append(c);
        }
        else
        {
            _target.Append("\\u").Append(((int)c).ToString("X4"));
        }
    }
}

using System.Text;
using System.Text.RegularExpressions;

namespace Octavo.Text.Templates;

/// <summary>
/// Cuts a template into tokens, as Jinja does with <c>trim_blocks</c> and <c>lstrip_blocks</c> on: a newline right
/// after a statement or a comment goes, so does the blank before one that begins its line, and <c>-</c> takes all white
/// space.
/// </summary>
internal sealed partial class Lexer
{
    private static readonly string[] Operators =
        ["//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
         "<", ">", "=", ".", ":", "|", ",", ";"];

    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private readonly Stack<char> _brackets = [];       // the closing ones that are awaited
    private int _at;

    private Lexer(string source) => _source = source;

    /// <summary>Line ends as Jinja sees them: <c>\n</c> alone, and the one at the very end dropped.</summary>
    public static string NormalizeLines(string source)
    {
        string text = source.Contains('\r') ? source.Replace("\r\n", "\n").Replace('\r', '\n') : source;
        return text.EndsWith('\n') ? text[..^1] : text;
    }

    /// <summary>The tokens of a template.</summary>
    /// <param name="source">The template, its lines normalized.</param>
    public static Token[] Tokenize(string source)
    {
        var lexer = new Lexer(source);
        lexer.Run();
        return [.. lexer._tokens];
    }

    [GeneratedRegex(
        @"\G([0-9]+_)*[0-9]+((\.([0-9]+_)*[0-9]+)?[eE][+\-]?([0-9]+_)*[0-9]+|\.([0-9]+_)*[0-9]+)",
        RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: Renderer.RegexTimeout)]
    private static partial Regex FloatPattern { get; }

    [GeneratedRegex(
        @"\G(0[bB](_?[01])+|0[oO](_?[0-7])+|0[xX](_?[0-9a-fA-F])+|[1-9](_?[0-9])*|0(_?0)*)",
        RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: Renderer.RegexTimeout)]
    private static partial Regex IntegerPattern { get; }

    private void Run()
    {
        bool lineStarts = true;
        while (_at < _source.Length)
        {
            int begin = NextTag(_at);
            string text = _source[_at..(begin < 0 ? _source.Length : begin)];
            if (begin < 0)
            {
                AddData(text, _at);
                _at = _source.Length;
                break;
            }

            int textAt = _at;
            char kind = _source[begin + 1];
            _at = begin + 2;
            char sign = TakeSign();
            AddData(StripBefore(text, sign, isVariable: kind == '{', lineStarts), textAt);
            switch (kind)
            {
                case '#':
                    SkipComment(begin);
                    break;
                case '%' when TakeRawBegin():
                    TakeRaw(begin);
                    break;
                case '%':
                    _tokens.Add(new Token(TokenKind.BlockBegin, "{%", begin));
                    TakeTag("%}", TokenKind.BlockEnd);
                    break;
                default:
                    _tokens.Add(new Token(TokenKind.VariableBegin, "{{", begin));
                    TakeTag("}}", TokenKind.VariableEnd);
                    break;
            }

            lineStarts = _source[_at - 1] == '\n';
        }

        _tokens.Add(new Token(TokenKind.End, string.Empty, _source.Length));
    }

    private int NextTag(int from)
    {
        for (int at = from; (at = _source.IndexOf('{', at)) >= 0 && at + 1 < _source.Length; at++)
        {
            if (_source[at + 1] is '%' or '{' or '#')
            {
                return at;
            }
        }

        return -1;
    }

    private void AddData(string text, int at)
    {
        if (text.Length > 0)
        {
            _tokens.Add(new Token(TokenKind.Data, text, at));
        }
    }

    private char TakeSign() => _at < _source.Length && _source[_at] is '-' or '+' ? _source[_at++] : ' ';

    private static string StripBefore(string text, char sign, bool isVariable, bool lineStarts)
    {
        if (sign == '-')
        {
            return PythonText.TrimEnd(text);
        }

        int line = text.LastIndexOf('\n') + 1;
        return sign != '+' && !isVariable && (line > 0 || lineStarts) && PythonText.IsSpace(text.AsSpan(line))
            ? text[..line]
            : text;
    }

    private void SkipComment(int begin)
    {
        int end = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0)
        {
            // As in Jinja: one with nothing after it is none.
            if (_at == _source.Length)
            {
                return;
            }

            throw new TemplateFault("the comment is not closed: '#}' is missing", begin);
        }

        char sign = end > _at ? _source[end - 1] : ' ';
        _at = end + 2;
        SkipAfterEnd(sign);
    }

    // After a statement or a comment a newline goes, unless a sign says otherwise.
    private void SkipAfterEnd(char sign)
    {
        if (sign == '-')
        {
            SkipSpace();
        }
        else if (sign != '+' && _at < _source.Length && _source[_at] == '\n')
        {
            _at++;
        }
    }

    private void SkipSpace()
    {
        while (_at < _source.Length && PythonText.IsSpace(_source[_at]))
        {
            _at++;
        }
    }

    private bool TakeRawBegin()
    {
        int start = _at;
        SkipSpace();
        if (TakeWord("raw"))
        {
            SkipSpace();
            if (TakeWord("%}"))
            {
                return true;
            }

            if (TakeWord("-%}"))
            {
                SkipSpace();
                return true;
            }
        }

        _at = start;
        return false;
    }

    private void TakeRaw(int begin)
    {
        int start = _at;
        for (int at = start; (at = _source.IndexOf("{%", at, StringComparison.Ordinal)) >= 0; at++)
        {
            _at = at + 2;
            char sign = TakeSign();
            SkipSpace();
            if (!TakeWord("endraw"))
            {
                continue;
            }

            SkipSpace();
            char endSign = TakeSign();
            if (TakeWord("%}"))
            {
                AddData(StripBefore(_source[start..at], sign, isVariable: false, lineStarts: false), start);
                SkipAfterEnd(endSign);
                return;
            }
        }

        if (start == _source.Length)
        {
            return;
        }

        throw new TemplateFault("the raw block is not closed: '{% endraw %}' is missing", begin);
    }

    private bool TakeWord(string word)
    {
        bool stands = _source.AsSpan(_at).StartsWith(word);
        _at += stands ? word.Length : 0;
        return stands;
    }

    private void TakeTag(string end, TokenKind endKind)
    {
        int begin = _at;
        _brackets.Clear();
        while (_at < _source.Length)
        {
            if (_brackets.Count == 0 && TakeEnd(end, endKind))
            {
                return;
            }

            if (PythonText.IsSpace(_source[_at]))
            {
                SkipSpace();
                continue;
            }

            TakeToken();
        }

        throw new TemplateFault($"the tag is not closed: '{end}' is missing", begin);
    }

    private bool TakeEnd(string end, TokenKind kind)
    {
        int start = _at;
        char sign = kind == TokenKind.BlockEnd || _source[_at] == '-' ? TakeSign() : ' ';
        if (!TakeWord(end))
        {
            _at = start;
            return false;
        }

        _tokens.Add(new Token(kind, end, start));
        if (kind == TokenKind.BlockEnd || sign == '-')
        {
            SkipAfterEnd(sign);
        }

        return true;
    }

    private void TakeToken()
    {
        char c = _source[_at];
        if (char.IsAsciiDigit(c))
        {
            TakeNumber();
        }
        else if (c is '\'' or '"')
        {
            TakeString(c);
        }
        else if (NameLength() is > 0 and int length)
        {
            _tokens.Add(new Token(TokenKind.Name, _source.Substring(_at, length), _at));
            _at += length;
        }
        else
        {
            TakeOperator();
        }
    }

    private void TakeNumber()
    {
        Match match = _source[_at - 1] == '.' ? Match.Empty : FloatPattern.Match(_source, _at);
        TokenKind kind = match.Success ? TokenKind.Float : TokenKind.Integer;
        match = match.Success ? match : IntegerPattern.Match(_source, _at);
        string digits = match.Value.Replace("_", string.Empty);
        object number = kind == TokenKind.Float
            ? double.Parse(digits, System.Globalization.CultureInfo.InvariantCulture)
            : PythonNumber.ParseLiteral(digits);
        _tokens.Add(new Token(kind, digits, _at, number));
        _at += match.Length;
    }

    private void TakeString(char quote)
    {
        int end = _at + 1;
        while (end < _source.Length && _source[end] != quote)
        {
            end += _source[end] == '\\' ? 2 : 1;
        }

        if (end >= _source.Length)
        {
            throw new TemplateFault($"the string is not closed: {quote} is missing", _at);
        }

        _tokens.Add(new Token(
            TokenKind.String, StringLiteral.Unescape(_source.AsSpan(_at + 1, end - _at - 1), _at), _at));
        _at = end + 1;
    }

    private int NameLength()
    {
        int length = 0;
        foreach (Rune rune in _source.AsSpan(_at).EnumerateRunes())
        {
            if (!(Rune.IsLetterOrDigit(rune) || rune.Value == '_'
                || (length > 0 && Rune.GetUnicodeCategory(rune)
                    is System.Globalization.UnicodeCategory.NonSpacingMark
                    or System.Globalization.UnicodeCategory.SpacingCombiningMark)))
            {
                break;
            }

            length += rune.Utf16SequenceLength;
        }

        return length;
    }

    private void TakeOperator()
    {
        string? found = Array.Find(Operators, o => _source.AsSpan(_at).StartsWith(o));
        if (found is null)
        {
            Rune.DecodeFromUtf16(_source.AsSpan(_at), out Rune rune, out _);
            throw new TemplateFault($"unexpected character '{rune}'", _at);
        }

        switch (found)
        {
            case "(":
                _brackets.Push(')');
                break;
            case "[":
                _brackets.Push(']');
                break;
            case "{":
                _brackets.Push('}');
                break;
            case ")" or "]" or "}":
                if (!_brackets.TryPop(out char awaited))
                {
                    throw new TemplateFault($"unexpected '{found}'", _at);
                }

                if (awaited != found[0])
                {
                    throw new TemplateFault($"unexpected '{found}', expected '{awaited}'", _at);
                }

                break;
            default:
                break;
        }

        _tokens.Add(new Token(TokenKind.Operator, found, _at));
        _at += found.Length;
    }
}

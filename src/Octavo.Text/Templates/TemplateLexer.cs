using System.Text;

namespace Octavo.Text.Templates;

/// <summary>
/// Cuts a template into tokens and settles its whitespace: <c>-</c> strips to the next text, a tag's own line
/// vanishes (lstrip_blocks, trim_blocks), and one newline at the very end is dropped, as in Jinja.
/// </summary>
internal sealed class TemplateLexer
{
    private static readonly string[] s_symbols =
    [
        "==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", "{", "}",
        ".", ",", ":", "|", "+", "-", "*", "/", "%", "~", "=",
    ];

    private readonly string _source;
    private readonly string _name;
    private readonly List<TemplateToken> _tokens = [];
    private int _position;
    private int _line = 1;

    private TemplateLexer(string source, string name)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        _source = source.EndsWith('\n') ? source[..^1] : source;
        _name = name;
    }

    /// <summary>All tokens, the last being <see cref="TokenKind.End"/>.</summary>
    public static List<TemplateToken> Tokenize(string source, string name)
    {
        TemplateLexer lexer = new(source, name);
        lexer.Run();
        return lexer._tokens;
    }

    private void Run()
    {
        bool stripLeft = false;
        while (_position < _source.Length)
        {
            int tag = FindTag(_position);
            string text = _source[_position..tag];
            int line = _line;
            bool atLineStart = _position == 0 || (_position < _source.Length && _source[_position - 1] == '\n');
            MoveTo(tag);
            text = stripLeft ? text.TrimStart() : text;
            text = tag < _source.Length ? StripBeforeTag(text, atLineStart && !stripLeft) : text;
            if (text.Length > 0)
            {
                _tokens.Add(new TemplateToken(TokenKind.Text, text, line));
            }

            stripLeft = tag < _source.Length && Tag();
        }

        _tokens.Add(new TemplateToken(TokenKind.End, "the end of the template", _line));
    }

    private ChatTemplateException Error(string problem) => new(_name, _line, problem);

    private char Peek(int offset = 0) => _position + offset < _source.Length ? _source[_position + offset] : '\0';

    private void MoveTo(int position)
    {
        _line += _source.AsSpan(_position, position - _position).Count('\n');
        _position = position;
    }

    private int FindTag(int from)
    {
        for (int i = _source.IndexOf('{', from); i >= 0 && i + 1 < _source.Length; i = _source.IndexOf('{', i + 1))
        {
            if (_source[i + 1] is '{' or '%' or '#')
            {
                return i;
            }
        }

        return _source.Length;
    }

    private string StripBeforeTag(string text, bool atLineStart)
    {
        char sign = Peek(2);
        if (sign == '-')
        {
            return text.TrimEnd();
        }

        if (Peek(1) == '{' || sign == '+')
        {
            return text;
        }

        string stripped = text.TrimEnd(' ', '\t');
        bool ownLine = stripped.Length > 0 ? stripped[^1] == '\n' : atLineStart;
        return ownLine ? stripped : text;
    }

    /// <summary>Reads one tag; true where the text after it loses its leading whitespace.</summary>
    private bool Tag()
    {
        char kind = Peek(1);
        int signs = Peek(2) == '-' || (Peek(2) == '+' && kind != '{') ? 1 : 0;
        if (kind == '#')
        {
            int end = _source.IndexOf("#}", _position + 2, StringComparison.Ordinal);
            if (end < 0)
            {
                throw Error("the comment {# is not closed by #}");
            }

            bool stripComment = end - 1 >= _position + 2 && _source[end - 1] == '-';
            MoveTo(end + 2);
            return EndOfTag(stripComment, trimNewline: true);
        }

        bool block = kind == '%';
        _tokens.Add(
            new TemplateToken(block ? TokenKind.BlockStart : TokenKind.OutputStart, block ? "{%" : "{{", _line));
        MoveTo(_position + 2 + signs);
        string close = block ? "%}" : "}}";
        int depth = 0; // of braces, since }} may also end a nested literal
        while (true)
        {
            SkipBlanks();
            char sign = Peek();
            int skip = sign is '-' || (sign is '+' && block) ? 1 : 0;
            if (depth == 0 && string.CompareOrdinal(_source, _position + skip, close, 0, 2) == 0)
            {
                _tokens.Add(new TemplateToken(block ? TokenKind.BlockEnd : TokenKind.OutputEnd, close, _line));
                MoveTo(_position + skip + 2);
                return EndOfTag(skip == 1 && sign == '-', trimNewline: block && skip == 0);
            }

            depth += sign == '{' ? 1 : 0;
            depth -= sign == '}' ? 1 : 0;
            Expression(block ? "{%" : "{{");
        }
    }

    private bool EndOfTag(bool stripRight, bool trimNewline)
    {
        if (!stripRight && trimNewline && Peek() == '\n')
        {
            MoveTo(_position + 1);
        }

        return stripRight;
    }

    private void SkipBlanks()
    {
        int end = _position;
        while (end < _source.Length && char.IsWhiteSpace(_source[end]))
        {
            end++;
        }

        MoveTo(end);
    }

    private void Expression(string tag)
    {
        char c = Peek();
        if (_position >= _source.Length)
        {
            throw Error($"the tag {tag} is not closed");
        }

        if (c is '\'' or '"')
        {
            StringLiteral(c);
            return;
        }

        if (char.IsAsciiDigit(c))
        {
            Word(TokenKind.Integer, static d => char.IsAsciiDigit(d) || d == '_');
            return;
        }

        if (char.IsLetter(c) || c == '_')
        {
            Word(TokenKind.Name, static d => char.IsLetterOrDigit(d) || d == '_');
            return;
        }

        string? symbol = Array.Find(s_symbols, s => string.CompareOrdinal(_source, _position, s, 0, s.Length) == 0);
        if (symbol is null)
        {
            throw Error($"the character '{c}' is not supported in an expression");
        }

        _tokens.Add(new TemplateToken(TokenKind.Symbol, symbol, _line));
        MoveTo(_position + symbol.Length);
    }

    private void Word(TokenKind kind, Func<char, bool> belongs)
    {
        int end = _position;
        while (end < _source.Length && belongs(_source[end]))
        {
            end++;
        }

        _tokens.Add(new TemplateToken(kind, _source[_position..end], _line));
        MoveTo(end);
    }

    private void StringLiteral(char quote)
    {
        int line = _line;
        StringBuilder value = new();
        int i = _position + 1;
        for (; i < _source.Length && _source[i] != quote; i++)
        {
            if (_source[i] != '\\' || i + 1 == _source.Length)
            {
                value.Append(_source[i]);
                continue;
            }

            i++;
            value.Append(_source[i] switch
            {
                'n' => "\n",
                't' => "\t",
                'r' => "\r",
                '\\' or '\'' or '"' => _source[i].ToString(),
                '\n' => "", // a continued line
                char other =>
                    throw Error($"the escape \\{other} is not supported; supported: \\n \\t \\r \\\\ \\' \\\""),
            });
        }

        if (i >= _source.Length)
        {
            throw Error("a string is not closed");
        }

        MoveTo(i + 1);
        _tokens.Add(new TemplateToken(TokenKind.String, value.ToString(), line));
    }
}

namespace Octavo.Text.Templates;

/// <summary>Statements: tokens → a tree. Expressions are in the other half.</summary>
internal sealed partial class TemplateParser
{
    private const int MaxDepth = 100;

    private readonly List<TemplateToken> _tokens;
    private readonly string _name;
    private int _position;
    private int _depth;

    public TemplateParser(string source, string name)
    {
        _tokens = TemplateLexer.Tokenize(source, name);
        _name = name;
    }

    private TemplateToken Current => _tokens[_position];

    public Block ParseTemplate()
    {
        Block block = ParseBlock();
        return Current.Kind == TokenKind.End ? block : throw Error($"'{Current.Text}' closes nothing");
    }

    private ChatTemplateException Error(string problem) => new(_name, Current.Line, problem);

    private TemplateToken Take()
    {
        TemplateToken token = Current;
        if (token.Kind != TokenKind.End)
        {
            _position++;
        }

        return token;
    }

    private bool Is(TokenKind kind, string text) => Current.Kind == kind && Current.Text == text;

    private bool TryTake(TokenKind kind, string text)
    {
        bool found = Is(kind, text);
        _position += found ? 1 : 0;
        return found;
    }

    private void Expect(TokenKind kind, string text)
    {
        if (!TryTake(kind, text))
        {
            throw Error($"expected '{text}', found '{Current.Text}'");
        }
    }

    private string ExpectName()
    {
        TemplateToken token = Current;
        if (token.Kind != TokenKind.Name || s_reserved.Contains(token.Text))
        {
            throw Error($"expected a name, found '{token.Text}'");
        }

        return Take().Text;
    }

    private void Descend()
    {
        _depth++;
        if (_depth > MaxDepth)
        {
            throw Error($"it is nested more than {MaxDepth} deep");
        }
    }

    /// <summary>Statements up to a tag that this block does not open: else, endif and so on, or the end.</summary>
    private Block ParseBlock()
    {
        Descend();
        List<Statement> statements = [];
        while (ParseStatement() is { } statement)
        {
            statements.Add(statement);
        }

        _depth--;
        return new Block(statements);
    }

    private Statement? ParseStatement()
    {
        TemplateToken token = Current;
        switch (token.Kind)
        {
            case TokenKind.Text:
                Take();
                return new TextStatement(token.Text, token.Line);
            case TokenKind.OutputStart:
                Take();
                Expression value = ParseExpression();
                Expect(TokenKind.OutputEnd, "}}");
                return new OutputStatement(value, token.Line);
            case TokenKind.BlockStart:
                return ParseTag();
            case TokenKind.End:
                return null;
            default:
                throw Error($"'{token.Text}' begins no statement");
        }
    }

    private Statement? ParseTag()
    {
        int line = Current.Line;
        string tag = _tokens[_position + 1].Text;
        switch (tag)
        {
            case "else" or "elif" or "endif" or "endfor":
                return null;
            case "if":
                return ParseIf(line);
            case "for":
                return ParseFor(line);
            case "set":
                return ParseSet(line);
            default:
                throw Error($"the tag '{tag}' is not supported; supported: for, if, elif, else, set");
        }
    }

    private string OpenTag()
    {
        Expect(TokenKind.BlockStart, "{%");
        return Take().Text;
    }

    private void CloseTag(string expected)
    {
        string found = Current.Kind == TokenKind.BlockStart ? OpenTag() : Current.Text;
        if (found != expected)
        {
            throw Error($"expected {{% {expected} %}}, found '{found}'");
        }

        Expect(TokenKind.BlockEnd, "%}");
    }

    private IfStatement ParseIf(int line)
    {
        List<Branch> branches = [];
        string tag = OpenTag();
        while (tag is "if" or "elif")
        {
            Expression condition = ParseExpression();
            Expect(TokenKind.BlockEnd, "%}");
            branches.Add(new Branch(condition, ParseBlock()));
            if (Current.Kind != TokenKind.BlockStart || _tokens[_position + 1].Text is not ("elif" or "else"))
            {
                break;
            }

            tag = OpenTag();
        }

        if (tag == "else")
        {
            Expect(TokenKind.BlockEnd, "%}");
            branches.Add(new Branch(null, ParseBlock()));
        }

        CloseTag("endif");
        return new IfStatement(branches, line);
    }

    private ForStatement ParseFor(int line)
    {
        OpenTag();
        string name = ExpectName();
        if (Is(TokenKind.Symbol, ","))
        {
            throw Error("a for with several names is not supported; supported: for name in items");
        }

        Expect(TokenKind.Name, "in");
        Expression items = ParseOr();
        if (Current.Kind != TokenKind.BlockEnd)
        {
            throw Error($"'{Current.Text}' in a for is not supported; supported: for name in items");
        }

        Take();
        Block body = ParseBlock();
        CloseTag("endfor");
        return new ForStatement(name, items, body, line);
    }

    private SetStatement ParseSet(int line)
    {
        OpenTag();
        string name = ExpectName();
        if (!Is(TokenKind.Symbol, "="))
        {
            throw Error($"'{Current.Text}' in a set is not supported; supported: set name = expression");
        }

        Take();
        Expression value = ParseExpression();
        Expect(TokenKind.BlockEnd, "%}");
        return new SetStatement(name, value, line);
    }
}

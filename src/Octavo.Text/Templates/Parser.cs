
namespace Octavo.Text.Templates;

/// <summary>Makes a tree of a template's tokens, by Jinja's grammar; this part has what blocks share.</summary>
internal sealed partial class Parser
{
    private const int MaxDepth = 200;

    private readonly Token[] _tokens;
    private readonly Dictionary<string, BlockStatement> _blocks = new(StringComparer.Ordinal);
    private readonly Stack<string> _openTags = [];
    private readonly Stack<HashSet<string>> _macroNames = [];       // what macros being read use of caller and the like

    // Filters and tests that do not exist. In a branch that is a fault only when it runs.
    private List<TemplateFault> _unknown = [];
    private int _at;
    private int _depth;
    private int _loops;

    private Parser(Token[] tokens) => _tokens = tokens;

    private Token Current => _tokens[_at];

    private Token Following => _tokens[Math.Min(_at + 1, _tokens.Length - 1)];

    /// <summary>The tree of a template.</summary>
    /// <param name="source">The template, its lines normalized.</param>
    /// <exception cref="TemplateFault">It is malformed.</exception>
    public static (Body Body, IReadOnlyDictionary<string, BlockStatement> Blocks) Parse(string source)
    {
        var parser = new Parser(Lexer.Tokenize(source));
        Body body = parser.ParseBody([]);
        parser.ThrowUnknown();
        return (body, parser._blocks);
    }

    private Token Next() => Current.Kind == TokenKind.End ? Current : _tokens[_at++];

    private bool SkipName(string name)
    {
        bool stands = Current.IsName(name);
        _at += stands ? 1 : 0;
        return stands;
    }

    private bool SkipOperator(string text)
    {
        bool stands = Current.IsOperator(text);
        _at += stands ? 1 : 0;
        return stands;
    }

    private Token ExpectName() =>
        Current.Kind == TokenKind.Name ? Next() : throw Fault($"expected a name, found {Current}");

    private void ExpectName(string name)
    {
        if (!SkipName(name))
        {
            throw Fault($"expected '{name}', found {Current}");
        }
    }

    private void ExpectOperator(string text)
    {
        if (!SkipOperator(text))
        {
            throw Fault($"expected '{text}', found {Current}");
        }
    }

    private void Expect(TokenKind kind)
    {
        if (Current.Kind != kind)
        {
            throw Fault(kind == TokenKind.BlockEnd
                ? $"expected '%}}', the end of the statement, found {Current}"
                : $"expected '}}}}', the end of the expression, found {Current}");
        }

        _at++;
    }

    private TemplateFault Fault(string problem) => new(problem, Current.Position);

    private void Enter()
    {
        if (++_depth > MaxDepth)
        {
            throw Fault($"nested more than {MaxDepth} deep");
        }
    }

    private void Leave() => _depth--;

    private void ThrowUnknown()
    {
        if (_unknown.Count > 0)
        {
            throw _unknown[0];
        }
    }

    private TFunction? FindNamed<TFunction>(string kind, FunctionTable<TFunction> functions, Token name, string text)
        where TFunction : class
    {
        TFunction? function = functions.Find(text);
        if (function is null)
        {
            _unknown.Add(new TemplateFault($"there is no {kind} named '{text}'", name.Position));
        }

        return function;
    }

    // What a scope of its own holds: there, being in a branch outside excuses nothing.
    private T InScope<T>(Func<T> parse)
    {
        List<TemplateFault> outer = _unknown;
        _unknown = [];
        T result = parse();
        ThrowUnknown();
        _unknown = outer;
        return result;
    }

    // In a function of its own, which no break can leave.
    private Body ParseFunctionBody(string endTag) => InScope(() =>
    {
        int loops = _loops;
        _loops = 0;
        Body body = ParseBlock(endTag);
        _loops = loops;
        return body;
    });

    private Body ParseScopedBlock(string endTag) => InScope(() => ParseBlock(endTag));

    /// <summary>From a statement's end to the end of the statement that closes it.</summary>
    private Body ParseBlock(string endTag)
    {
        Body body = ParseInner(endTag);
        Next();
        return body;
    }

    /// <summary>From a statement's end to the name of one that closes or continues it.</summary>
    private Body ParseInner(params string[] ends)
    {
        SkipOperator(":");
        Expect(TokenKind.BlockEnd);
        Body body = ParseBody(ends);
        return Current.Kind == TokenKind.End
            ? throw Fault(
                $"'{_openTags.Peek()}' is not closed: '{string.Join("' or '", ends)}' is missing")
            : body;
    }

    private Body ParseBody(string[] ends)
    {
        Enter();
        List<Statement> statements = [];
        while (Current.Kind != TokenKind.End)
        {
            Token token = Next();
            if (token.Kind == TokenKind.Data)
            {
                statements.Add(new DataStatement(token.Position, token.Text));
            }
            else if (token.Kind == TokenKind.VariableBegin)
            {
                statements.Add(new PrintStatement(token.Position, ParseTuple()));
                Expect(TokenKind.VariableEnd);
            }
            else if (Current.Kind == TokenKind.Name && Array.IndexOf(ends, Current.Text) >= 0)
            {
                Leave();
                return new Body([.. statements]);
            }
            else
            {
                statements.Add(ParseStatement(ends));
                Expect(TokenKind.BlockEnd);
            }
        }

        Leave();
        return new Body([.. statements]);
    }
}


namespace Octavo.Text.Templates;

/// <content>Statements. To add one: a line here, its reader below, its node in Nodes/.</content>
internal sealed partial class Parser
{
    private Statement ParseStatement(string[] awaited)
    {
        Token tag = Current.Kind == TokenKind.Name
            ? Next()
            : throw Fault($"expected a statement's name, found {Current}");
        _openTags.Push(tag.Text);
        Statement statement = tag.Text switch
        {
            "for" => ParseFor(tag.Position),
            "if" => ParseIf(tag.Position),
            "set" => ParseSet(tag.Position),
            "macro" => ParseMacro(tag.Position),
            "call" => ParseCallBlock(tag.Position),
            "filter" => ParseFilterBlock(tag.Position),
            "with" => ParseWith(tag.Position),
            "block" => ParseNamedBlock(tag.Position),
            "generation" => new ScopeStatement(tag.Position, ParseFunctionBody("endgeneration")),
            "autoescape" => ParseAutoescape(tag.Position),
            "print" => ParsePrint(tag.Position),
            "break" or "continue" => ParseJump(tag),
            "include" or "import" or "from" or "extends" => throw new TemplateFault(
                $"'{tag.Text}' needs another template, and a chat template stands alone", tag.Position),
            _ => throw new TemplateFault(
                $"unknown statement '{tag.Text}'"
                    + (awaited.Length > 0 ? $"; expected here: '{string.Join("' or '", awaited)}'" : string.Empty),
                tag.Position),
        };
        _openTags.Pop();
        return statement;
    }

    private ForStatement ParseFor(int position)
    {
        Token start = Current;
        Expression target = ParseTarget("in");
        if (target is NameExpression { Name: "loop" })
        {
            throw new TemplateFault("'loop' cannot be a loop's variable", start.Position);
        }

        ExpectName("in");
        Expression items = ParseTuple(withConditional: false, endName: "recursive");
        Expression? filter = SkipName("if") ? ParseExpression() : null;
        bool recursive = SkipName("recursive");
        _loops++;
        Body body = InScope(() => ParseInner("endfor", "else"));
        _loops--;
        Body? otherwise = Next().Text == "else" ? ParseScopedBlock("endfor") : null;
        return new ForStatement(position, target, items, filter, body, otherwise, recursive);
    }

    private IfStatement ParseIf(int position)
    {
        int known = _unknown.Count;
        List<(Expression, Body)> branches = [];
        Body? otherwise = null;
        while (true)
        {
            Expression test = ParseTuple(withConditional: false);
            branches.Add((test, ParseInner("elif", "else", "endif")));
            string end = Next().Text;
            if (end == "elif")
            {
                continue;
            }

            if (end == "else")
            {
                otherwise = ParseBlock("endif");
            }

            _unknown.RemoveRange(known, _unknown.Count - known);
            return new IfStatement(position, [.. branches], otherwise);
        }
    }

    private Statement ParseSet(int position)
    {
        Expression target = ParseTarget(null, members: true);
        if (SkipOperator("="))
        {
            return new SetStatement(position, target, ParseTuple());
        }

        var value = new CapturedValue(position);
        Expression filtered = ParseFilters(value, first: false);
        return new SetBlockStatement(position, target, ParseScopedBlock("endset"), value, filtered);
    }

    private MacroStatement ParseMacro(int position)
    {
        Token name = ExpectName();
        RefuseConstant(name);
        (string[] parameters, Expression[] defaults) = ParseParameters();
        return new MacroStatement(position, ParseMacroBody(name.Text, parameters, defaults, "endmacro"));
    }

    private CallBlockStatement ParseCallBlock(int position)
    {
        (string[] parameters, Expression[] defaults) = Current.IsOperator("(") ? ParseParameters() : ([], []);
        Token start = Current;
        return ParseExpression() is CallExpression call
            ? new CallBlockStatement(position, call, ParseMacroBody("caller", parameters, defaults, "endcall"))
            : throw new TemplateFault("expected a call", start.Position);
    }

    private MacroDefinition ParseMacroBody(string name, string[] parameters, Expression[] defaults, string endTag)
    {
        HashSet<string> special = new(StringComparer.Ordinal);
        _macroNames.Push(special);
        Body body = ParseFunctionBody(endTag);
        _macroNames.Pop();
        return new MacroDefinition(name, parameters, defaults, body)
        {
            UsesCaller = special.Contains("caller") && !parameters.Contains("caller", StringComparer.Ordinal),
            UsesKwargs = special.Contains("kwargs") && !parameters.Contains("kwargs", StringComparer.Ordinal),
            UsesVarargs = special.Contains("varargs") && !parameters.Contains("varargs", StringComparer.Ordinal),
        };
    }

    private (string[] Parameters, Expression[] Defaults) ParseParameters()
    {
        List<string> parameters = [];
        List<Expression> defaults = [];
        ExpectOperator("(");
        while (!Current.IsOperator(")"))
        {
            if (parameters.Count > 0)
            {
                ExpectOperator(",");
            }

            Token name = ExpectName();
            RefuseConstant(name);
            if (parameters.Contains(name.Text))
            {
                throw new TemplateFault($"there are two parameters named '{name.Text}'", name.Position);
            }

            parameters.Add(name.Text);
            if (SkipOperator("="))
            {
                defaults.Add(ParseExpression());
            }
            else if (defaults.Count > 0)
            {
                throw new TemplateFault("a parameter without a default follows one that has it", name.Position);
            }
        }

        ExpectOperator(")");
        return ([.. parameters], [.. defaults]);
    }

    private FilterBlockStatement ParseFilterBlock(int position)
    {
        var value = new CapturedValue(position);
        Expression filtered = ParseFilters(value, first: true);
        return new FilterBlockStatement(position, ParseScopedBlock("endfilter"), filtered);
    }

    private WithStatement ParseWith(int position)
    {
        List<(Expression, Expression)> assignments = [];
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (assignments.Count > 0)
            {
                ExpectOperator(",");
            }

            Expression target = ParseTarget(null);
            ExpectOperator("=");
            assignments.Add((target, ParseExpression()));
        }

        return new WithStatement(position, [.. assignments], ParseScopedBlock("endwith"));
    }

    private BlockStatement ParseNamedBlock(int position)
    {
        Token name = ExpectName();
        bool scoped = SkipName("scoped");
        SkipName("required");
        Body body = InScope(() =>
        {
            int loops = _loops;
            _loops = 0;
            Body inner = ParseInner("endblock");
            _loops = loops;
            return inner;
        });
        Next();
        SkipName(name.Text);
        var block = new BlockStatement(position, name.Text, scoped, body);
        return _blocks.TryAdd(name.Text, block)
            ? block
            : throw new TemplateFault($"block '{name.Text}' is defined twice", name.Position);
    }

    private AutoescapeStatement ParseAutoescape(int position)
    {
        Expression enabled = ParseExpression();
        return new AutoescapeStatement(position, enabled, ParseBlock("endautoescape"));
    }

    private Statement ParsePrint(int position)
    {
        List<Statement> prints = [];
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (prints.Count > 0)
            {
                ExpectOperator(",");
            }

            prints.Add(new PrintStatement(Current.Position, ParseExpression()));
        }

        return new GroupStatement(position, new Body([.. prints]));
    }

    private JumpStatement ParseJump(Token tag) => _loops > 0
        ? new JumpStatement(tag.Position, tag.Text == "break" ? Flow.Break : Flow.Continue)
        : throw new TemplateFault($"'{tag.Text}' outside of a loop", tag.Position);
}

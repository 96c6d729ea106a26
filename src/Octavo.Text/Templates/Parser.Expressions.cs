
namespace Octavo.Text.Templates;

/// <content>
/// Expressions, the loosest binding first: conditional, or, and, not, comparisons, + and -, ~, * / // %, **, signs,
/// filters and tests, members and calls.
/// </content>
internal sealed partial class Parser
{
    private static readonly string[] Constants = ["true", "false", "none", "True", "False", "None"];

    private Expression ParseExpression(bool withConditional = true)
    {
        Enter();
        Expression result = withConditional ? ParseConditional() : ParseOr();
        Leave();
        return result;
    }

    private Expression ParseConditional()
    {
        int known = _unknown.Count;
        Expression value = ParseOr();
        while (Current.IsName("if"))
        {
            int position = Next().Position;
            Expression test = ParseOr();
            Expression? otherwise = SkipName("else") ? ParseExpression() : null;
            value = new ConditionalExpression(position, test, value, otherwise);
            _unknown.RemoveRange(known, _unknown.Count - known);
        }

        return value;
    }

    private Expression ParseOr()
    {
        Expression left = ParseAnd();
        while (Current.IsName("or"))
        {
            left = new LogicalExpression(Next().Position, left, ParseAnd(), stopsAt: true);
        }

        return left;
    }

    private Expression ParseAnd()
    {
        Expression left = ParseNot();
        while (Current.IsName("and"))
        {
            left = new LogicalExpression(Next().Position, left, ParseNot(), stopsAt: false);
        }

        return left;
    }

    private Expression ParseNot()
    {
        if (!Current.IsName("not"))
        {
            return ParseComparison();
        }

        int position = Next().Position;
        Enter();
        Expression operand = ParseNot();
        Leave();
        return new NotExpression(position, operand);
    }

    private Expression ParseComparison()
    {
        int position = Current.Position;
        Expression first = ParseSum();
        List<(ComparisonOperator, Expression)> rest = [];
        while (TakeComparison() is { } comparison)
        {
            rest.Add((comparison, ParseSum()));
        }

        return rest.Count == 0 ? first : new ComparisonExpression(position, first, [.. rest]);
    }

    private ComparisonOperator? TakeComparison()
    {
        if (SkipName("in"))
        {
            return ComparisonOperator.In;
        }

        if (Current.IsName("not") && Following.IsName("in"))
        {
            _at += 2;
            return ComparisonOperator.NotIn;
        }

        ComparisonOperator? comparison = Current.Kind != TokenKind.Operator ? null : Current.Text switch
        {
            "==" => ComparisonOperator.Equal,
            "!=" => ComparisonOperator.NotEqual,
            "<" => ComparisonOperator.Less,
            "<=" => ComparisonOperator.LessOrEqual,
            ">" => ComparisonOperator.Greater,
            ">=" => ComparisonOperator.GreaterOrEqual,
            _ => null,
        };
        _at += comparison is null ? 0 : 1;
        return comparison;
    }

    private Expression ParseSum()
    {
        Expression left = ParseConcatenation();
        while (Current.IsOperator("+") || Current.IsOperator("-"))
        {
            Token token = Next();
            left = new BinaryExpression(token.Position, token.Text, left, ParseConcatenation());
        }

        return left;
    }

    private Expression ParseConcatenation()
    {
        Expression first = ParseProduct();
        if (!Current.IsOperator("~"))
        {
            return first;
        }

        int position = Current.Position;
        List<Expression> parts = [first];
        while (SkipOperator("~"))
        {
            parts.Add(ParseProduct());
        }

        return new ConcatenationExpression(position, [.. parts]);
    }

    private Expression ParseProduct()
    {
        Expression left = ParsePower();
        while (Current.Kind == TokenKind.Operator && Current.Text is "*" or "/" or "//" or "%")
        {
            Token token = Next();
            left = new BinaryExpression(token.Position, token.Text, left, ParsePower());
        }

        return left;
    }

    private Expression ParsePower()
    {
        Expression left = ParseUnary();
        while (Current.IsOperator("**"))
        {
            Token token = Next();
            left = new BinaryExpression(token.Position, token.Text, left, ParseUnary());
        }

        return left;
    }

    private Expression ParseUnary(bool withFilters = true)
    {
        Expression node;
        if (Current.IsOperator("-") || Current.IsOperator("+"))
        {
            Token sign = Next();
            Enter();
            node = new SignExpression(sign.Position, sign.Text == "-", ParseUnary(withFilters: false));
            Leave();
        }
        else
        {
            node = ParsePrimary();
        }

        node = ParsePostfix(node);
        return withFilters ? ParseFiltersAndTests(node) : node;
    }

    private Expression ParsePrimary(bool asTarget = false)
    {
        Token token = Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                Next();
                if (asTarget && Current.IsOperator("."))
                {
                    Next();
                    return new MemberTarget(token.Position, token.Text, ExpectName().Text);
                }

                return token.Text switch
                {
                    "true" or "True" => new ConstantExpression(token.Position, true),
                    "false" or "False" => new ConstantExpression(token.Position, false),
                    "none" or "None" => new ConstantExpression(token.Position, null),
                    _ => NameOf(token, asTarget),
                };
            case TokenKind.String:
                Next();
                string text = token.Text;
                while (Current.Kind == TokenKind.String)
                {
                    text += Next().Text;
                }

                return new TextExpression(token.Position, text);
            case TokenKind.Integer or TokenKind.Float:
                Next();
                return new ConstantExpression(token.Position, token.Number);
            case TokenKind.Operator:
                return token.Text switch
                {
                    "(" => ParseParenthesis(asTarget),
                    "[" => ParseList(),
                    "{" => ParseDictionary(),
                    _ => throw Fault($"unexpected {token}"),
                };
            default:
                throw Fault($"expected an expression, found {token}");
        }
    }

    private NameExpression NameOf(Token token, bool asTarget)
    {
        if (!asTarget && token.Text is "caller" or "kwargs" or "varargs")
        {
            foreach (HashSet<string> names in _macroNames)
            {
                names.Add(token.Text);
            }
        }

        return new NameExpression(token.Position, token.Text);
    }

    private Expression ParseParenthesis(bool asTarget)
    {
        Next();
        Expression inside = ParseTuple(inParentheses: true, asTarget: asTarget);
        ExpectOperator(")");
        return inside;
    }

    private ListExpression ParseList()
    {
        int position = Next().Position;
        List<Expression> items = [];
        while (!Current.IsOperator("]"))
        {
            if (items.Count > 0)
            {
                ExpectOperator(",");
                if (Current.IsOperator("]"))
                {
                    break;
                }
            }

            items.Add(ParseExpression());
        }

        ExpectOperator("]");
        return new ListExpression(position, [.. items]);
    }

    private DictionaryExpression ParseDictionary()
    {
        int position = Next().Position;
        List<(Expression, Expression)> entries = [];
        while (!Current.IsOperator("}"))
        {
            if (entries.Count > 0)
            {
                ExpectOperator(",");
                if (Current.IsOperator("}"))
                {
                    break;
                }
            }

            Expression key = ParseExpression();
            ExpectOperator(":");
            entries.Add((key, ParseExpression()));
        }

        ExpectOperator("}");
        return new DictionaryExpression(position, [.. entries]);
    }

    /// <summary>One expression, or several with commas between, which make a tuple.</summary>
    private Expression ParseTuple(
        bool withConditional = true, string? endName = null, bool inParentheses = false, bool asTarget = false)
    {
        Enter();
        int position = Current.Position;
        List<Expression> items = [];
        bool isTuple = false;
        while (true)
        {
            if (items.Count > 0)
            {
                ExpectOperator(",");
            }

            if (Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd || Current.IsOperator(")")
                || (endName is not null && Current.IsName(endName)))
            {
                break;
            }

            items.Add(asTarget ? ParsePrimary(asTarget: true) : ParseExpression(withConditional));
            if (!Current.IsOperator(","))
            {
                break;
            }

            isTuple = true;
        }

        Leave();
        return isTuple || (items.Count == 0 && inParentheses) ? new TupleExpression(position, [.. items])
            : items.Count > 0 ? items[0]
            : throw Fault($"expected an expression, found {Current}");
    }

    /// <summary>What a value is assigned to: a name, a namespace's member, or several of these.</summary>
    private Expression ParseTarget(string? endName, bool members = false)
    {
        Token start = Current;
        Expression target = ParseTuple(endName: endName, asTarget: true);
        RefuseUnassignable(target, start, members);
        return target;
    }

    private void RefuseUnassignable(Expression target, Token start, bool members)
    {
        switch (target)
        {
            case NameExpression { Name: "loop" } when _loops > 0:
                throw new TemplateFault("'loop' cannot be assigned to in a loop", start.Position);
            case NameExpression:
            case MemberTarget when members:
                break;
            case TupleExpression tuple:
                foreach (Expression item in tuple.Items)
                {
                    RefuseUnassignable(item, start, members);
                }

                break;
            default:
                throw new TemplateFault("this cannot be assigned to", start.Position);
        }
    }

    private static void RefuseConstant(Token name)
    {
        if (Constants.Contains(name.Text, StringComparer.Ordinal))
        {
            throw new TemplateFault($"'{name.Text}' cannot be assigned to", name.Position);
        }
    }

    private Expression ParsePostfix(Expression node)
    {
        while (Current.Kind == TokenKind.Operator)
        {
            switch (Current.Text)
            {
                case ".":
                    node = ParseMember(node);
                    break;
                case "[":
                    node = ParseSubscript(node);
                    break;
                case "(":
                    node = new CallExpression(node.Position, node, ParseArguments());
                    break;
                default:
                    return node;
            }
        }

        return node;
    }

    private Expression ParseMember(Expression owner)
    {
        int position = Next().Position;
        Token name = Next();
        return name.Kind switch
        {
            TokenKind.Name => new MemberExpression(position, owner, name.Text),
            TokenKind.Integer => new ElementExpression(
                position, owner, new ConstantExpression(name.Position, name.Number)),
            _ => throw new TemplateFault($"expected a name or a number, found {name}", name.Position),
        };
    }

    private Expression ParseSubscript(Expression owner)
    {
        int position = Next().Position;
        List<Expression> items = [];
        bool isTuple = false;
        while (!Current.IsOperator("]"))
        {
            if (items.Count > 0)
            {
                ExpectOperator(",");
                isTuple = true;
            }

            items.Add(ParseSubscripted());
        }

        ExpectOperator("]");
        return items switch
        {
            [SliceBounds slice] => new SliceExpression(position, owner, slice),
            _ when items.Exists(i => i is SliceBounds) =>
                throw new TemplateFault("an index holds one slice and nothing besides", position),
            [var item] when !isTuple => new ElementExpression(position, owner, item),
            _ => new ElementExpression(position, owner, new TupleExpression(position, [.. items])),
        };
    }

    private Expression ParseSubscripted()
    {
        int position = Current.Position;
        Expression? from = null;
        if (!Current.IsOperator(":"))
        {
            from = ParseExpression();
            if (!Current.IsOperator(":"))
            {
                return from;
            }
        }

        ExpectOperator(":");
        Expression? to = ParseBound(":", "]", ",");
        Expression? step = SkipOperator(":") ? ParseBound("]", ",") : null;
        return new SliceBounds(position, from, to, step);
    }

    private Expression? ParseBound(params string[] ends) =>
        Current.Kind == TokenKind.Operator && Array.IndexOf(ends, Current.Text) >= 0 ? null : ParseExpression();

    private ArgumentList ParseArguments()
    {
        ExpectOperator("(");
        List<Expression> positional = [];
        List<(string, Expression)> named = [];
        Expression? spread = null, spreadNamed = null;
        bool needsComma = false;
        while (!Current.IsOperator(")"))
        {
            if (needsComma)
            {
                ExpectOperator(",");
                if (Current.IsOperator(")"))
                {
                    break;
                }
            }

            Token start = Current;
            bool inOrder = spreadNamed is null;
            if (SkipOperator("*"))
            {
                inOrder &= spread is null;
                spread = ParseExpression();
            }
            else if (SkipOperator("**"))
            {
                spreadNamed = ParseExpression();
            }
            else if (Current.Kind == TokenKind.Name && Following.IsOperator("="))
            {
                string name = Next().Text;
                Next();
                named.Add((name, ParseExpression()));
            }
            else
            {
                inOrder &= spread is null && named.Count == 0;
                positional.Add(ParseExpression());
            }

            if (!inOrder)
            {
                throw new TemplateFault("arguments by position stand before those by name", start.Position);
            }

            needsComma = true;
        }

        ExpectOperator(")");
        return new ArgumentList([.. positional], [.. named], spread, spreadNamed);
    }

    private Expression ParseFiltersAndTests(Expression node)
    {
        while (true)
        {
            if (Current.IsOperator("|"))
            {
                Next();
                node = ParseFilter(node);
            }
            else if (Current.IsName("is"))
            {
                Next();
                node = ParseTest(node);
            }
            else if (Current.IsOperator("("))
            {
                node = new CallExpression(node.Position, node, ParseArguments());
            }
            else
            {
                return node;
            }
        }
    }

    private Expression ParseFilters(Expression node, bool first)
    {
        while (first || SkipOperator("|"))
        {
            first = false;
            node = ParseFilter(node);
        }

        return node;
    }

    private AppliedExpression ParseFilter(Expression value)
    {
        Token name = Current;
        string text = ParseDottedName();
        ArgumentList arguments = Current.IsOperator("(") ? ParseArguments() : ArgumentList.Empty;
        FilterFunction? filter = FindNamed("filter", Filters.Table, name, text);
        return new AppliedExpression(
            name.Position, "filter", text, filter is null ? null : filter.Apply, value, arguments);
    }

    private Expression ParseTest(Expression value)
    {
        bool negated = SkipName("not");
        Token name = Current;
        string text = ParseDottedName();
        ArgumentList arguments = ArgumentList.Empty;
        if (Current.IsOperator("("))
        {
            arguments = ParseArguments();
        }
        else if (BeginsTestArgument(Current))
        {
            if (Current.IsName("is"))
            {
                throw Fault("tests cannot be chained");
            }

            arguments = new ArgumentList([ParsePostfix(ParsePrimary())], [], null, null);
        }

        TestFunction? test = FindNamed("test", Tests.Table, name, text);
        Expression applied = new AppliedExpression(
            name.Position,
            "test",
            text,
            test is null ? null : (renderer, input, values) => test.Holds(renderer, input, values),
            value,
            arguments);
        return negated ? new NotExpression(name.Position, applied) : applied;
    }

    private static bool BeginsTestArgument(Token token) =>
        token.Kind is TokenKind.String or TokenKind.Integer or TokenKind.Float
        || token is { Kind: TokenKind.Name, Text: not ("else" or "or" or "and") }
        || token is { Kind: TokenKind.Operator, Text: "[" or "{" };

    private string ParseDottedName()
    {
        string text = ExpectName().Text;
        while (SkipOperator("."))
        {
            text += "." + ExpectName().Text;
        }

        return text;
    }
}

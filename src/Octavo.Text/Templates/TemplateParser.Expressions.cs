using System.Globalization;
using System.Text;

namespace Octavo.Text.Templates;

// Expressions, from the loosest binding to the tightest, with the precedence of Jinja.
internal sealed partial class TemplateParser
{
    private static readonly HashSet<string> s_reserved = new(StringComparer.Ordinal)
    {
        "and", "or", "not", "in", "is", "if", "else", "elif", "for", "true", "True", "false", "False", "none", "None",
    };

    private static readonly string[] s_comparisons = ["==", "!=", "<", "<=", ">", ">="];
    private static readonly string[] s_filters = ["trim", "upper", "lower", "length"];
    private static readonly string[] s_tests = ["defined", "undefined", "none", "string"];

    private Expression ParseExpression()
    {
        Descend();
        Expression value = ParseOr();
        if (Current is { Kind: TokenKind.Name, Text: "if" })
        {
            int line = Take().Line;
            Expression condition = ParseOr();
            Expression? otherwise = TryTake(TokenKind.Name, "else") ? ParseExpression() : null;
            value = new ConditionalExpression(value, condition, otherwise, line);
        }

        _depth--;
        return value;
    }

    private Expression ParseOr() => ParseLeft(ParseAnd, () => Current is { Kind: TokenKind.Name, Text: "or" });

    private Expression ParseAnd() => ParseLeft(ParseNot, () => Current is { Kind: TokenKind.Name, Text: "and" });

    private Expression ParseNot()
    {
        if (!Is(TokenKind.Name, "not"))
        {
            return ParseComparison();
        }

        Descend();
        int line = Take().Line;
        UnaryExpression negation = new("not", ParseNot(), line);
        _depth--;
        return negation;
    }

    private Expression ParseComparison()
    {
        Expression left = ParseSum();
        string? comparison = TakeComparison(out int line);
        if (comparison is null)
        {
            return left;
        }

        BinaryExpression value = new(comparison, left, ParseSum(), line);
        return TakeComparison(out _) is null ? value : throw Error("a chain of comparisons is not supported");
    }

    private string? TakeComparison(out int line)
    {
        line = Current.Line;
        if (Current.Kind == TokenKind.Symbol && s_comparisons.Contains(Current.Text))
        {
            return Take().Text;
        }

        if (TryTake(TokenKind.Name, "in"))
        {
            return "in";
        }

        if (Is(TokenKind.Name, "not") && _tokens[_position + 1] is { Kind: TokenKind.Name, Text: "in" })
        {
            _position += 2;
            return "not in";
        }

        return null;
    }

    private Expression ParseSum() =>
        ParseLeft(ParseConcatenation, () => Current is { Kind: TokenKind.Symbol, Text: "+" or "-" });

    private Expression ParseConcatenation() =>
        ParseLeft(ParseProduct, () => Current is { Kind: TokenKind.Symbol, Text: "~" });

    private Expression ParseProduct() =>
        ParseLeft(ParseUnary, () => Current is { Kind: TokenKind.Symbol, Text: "*" or "%" });

    private Expression ParseLeft(Func<Expression> operand, Func<bool> atOperator)
    {
        Expression left = operand();
        int chained = 0;
        while (atOperator())
        {
            // The tree leans left, and evaluating it goes as deep as the chain is long.
            chained++;
            if (chained > 10 * MaxDepth)
            {
                throw Error($"more than {10 * MaxDepth} operators in a row");
            }

            TemplateToken sign = Take();
            left = new BinaryExpression(sign.Text, left, operand(), sign.Line);
        }

        return left;
    }

    private Expression ParseUnary()
    {
        if (!Is(TokenKind.Symbol, "-"))
        {
            return ParsePostfix();
        }

        Descend();
        int line = Take().Line;
        UnaryExpression negation = new("-", ParseUnary(), line);
        _depth--;
        return negation;
    }

    private Expression ParsePostfix()
    {
        Expression value = ParsePrimary();
        int chained = 0;
        while (true)
        {
            chained++;
            if (chained > 10 * MaxDepth)
            {
                throw Error($"more than {10 * MaxDepth} members in a row");
            }

            int line = Current.Line;
            if (TryTake(TokenKind.Symbol, "."))
            {
                value = new IndexExpression(value, new LiteralExpression(ExpectName(), line), line);
            }
            else if (TryTake(TokenKind.Symbol, "["))
            {
                value = ParseIndex(value, line);
            }
            else if (TryTake(TokenKind.Symbol, "|"))
            {
                value = new FilterExpression(value, ExpectOneOf("filter", s_filters), line);
            }
            else if (TryTake(TokenKind.Name, "is"))
            {
                bool negated = TryTake(TokenKind.Name, "not");
                value = new TestExpression(value, ExpectOneOf("test", s_tests), negated, line);
            }
            else if (Is(TokenKind.Symbol, "("))
            {
                throw Error("a call is not supported here; supported: raise_exception(message)");
            }
            else
            {
                return value;
            }
        }
    }

    private string ExpectOneOf(string what, string[] supported)
    {
        string name = Current.Text.ToLowerInvariant();
        if (Current.Kind != TokenKind.Name || !supported.Contains(name))
        {
            throw Error($"the {what} '{Current.Text}' is not supported; supported: {string.Join(", ", supported)}");
        }

        Take();
        return name;
    }

    private Expression ParseIndex(Expression target, int line)
    {
        Expression? from = Is(TokenKind.Symbol, ":") ? null : ParseExpression();
        if (TryTake(TokenKind.Symbol, "]"))
        {
            return new IndexExpression(target, from!, line);
        }

        Expect(TokenKind.Symbol, ":");
        Expression? to = Is(TokenKind.Symbol, "]") || Is(TokenKind.Symbol, ":") ? null : ParseExpression();
        if (Is(TokenKind.Symbol, ":"))
        {
            throw Error("a slice with a step is not supported; supported: a[from:to]");
        }

        Expect(TokenKind.Symbol, "]");
        return new SliceExpression(target, from, to, line);
    }

    private Expression ParsePrimary()
    {
        TemplateToken token = Take();
        switch (token.Kind)
        {
            case TokenKind.String:
                StringBuilder text = new(token.Text);
                while (Current.Kind == TokenKind.String)
                {
                    text.Append(Take().Text); // adjacent literals join, as in Python
                }

                return new LiteralExpression(text.ToString(), token.Line);
            case TokenKind.Integer when long.TryParse(
                token.Text.Replace("_", "", StringComparison.Ordinal), CultureInfo.InvariantCulture, out long number):
                return new LiteralExpression(number, token.Line);
            case TokenKind.Name:
                return ParseName(token);
            case TokenKind.Symbol when token.Text == "(":
                Expression value = ParseExpression();
                Expect(TokenKind.Symbol, ")");
                return value;
            default:
                _position = Math.Max(0, _position - 1);
                throw Error(
                    $"'{token.Text}' is not supported here; supported: strings, integers, true, false, none, "
                        + "names, (…)");
        }
    }

    private Expression ParseName(TemplateToken token)
    {
        switch (token.Text)
        {
            case "true" or "True":
                return new LiteralExpression(true, token.Line);
            case "false" or "False":
                return new LiteralExpression(false, token.Line);
            case "none" or "None":
                return new LiteralExpression(null, token.Line);
            case "raise_exception" when TryTake(TokenKind.Symbol, "("):
                Expression message = ParseExpression();
                Expect(TokenKind.Symbol, ")");
                return new RaiseExpression(message, token.Line);
            default:
                return s_reserved.Contains(token.Text)
                    ? throw Error($"'{token.Text}' is out of place")
                    : new NameExpression(token.Text, token.Line);
        }
    }
}

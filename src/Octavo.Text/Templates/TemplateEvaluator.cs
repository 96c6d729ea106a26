using System.Text;

namespace Octavo.Text.Templates;

/// <summary>Runs a template once: walks the tree and writes the output.</summary>
internal sealed class TemplateEvaluator
{
    private readonly string _templateName;
    private readonly StringBuilder _output = new();

    // The innermost scope is last. A pass of a for loop has its own; an if has none.
    private readonly List<Dictionary<string, object?>> _scopes = [];

    public TemplateEvaluator(string templateName, Dictionary<string, object?> names)
    {
        _templateName = templateName;
        _scopes.Add(names);
    }

    public string Run(Block root)
    {
        Execute(root);
        return _output.ToString();
    }

    private ChatTemplateException Error(int line, string problem) => new(_templateName, line, problem);

    private void Execute(Block block)
    {
        foreach (Statement statement in block.Statements)
        {
            Execute(statement);
        }
    }

    private void Execute(Statement statement)
    {
        switch (statement)
        {
            case TextStatement text:
                _output.Append(text.Text);
                break;
            case OutputStatement output:
                _output.Append(Text(Evaluate(output.Value), output.Line));
                break;
            case SetStatement set:
                _scopes[^1][set.Name] = Evaluate(set.Value);
                break;
            case IfStatement choice:
                Branch? taken = choice.Branches.FirstOrDefault(
                    branch => branch.Condition is null || TemplateValues.IsTrue(Evaluate(branch.Condition)));
                if (taken is not null)
                {
                    Execute(taken.Body);
                }

                break;
            case ForStatement loop:
                Execute(loop);
                break;
            default:
                throw new InvalidOperationException($"a statement of an unknown kind: {statement.GetType()}");
        }
    }

    private void Execute(ForStatement loop)
    {
        object? value = Evaluate(loop.Items);
        List<object?> items = value switch
        {
            List<object?> list => list,
            Undefined => [],
            string text => [.. text.EnumerateRunes().Select(rune => rune.ToString())],
            Dictionary<string, object?> map => [.. map.Keys],
            _ => throw Error(loop.Line, $"{TemplateValues.TypeName(value)} cannot be looped over"),
        };

        for (int i = 0; i < items.Count; i++)
        {
            _scopes.Add(new Dictionary<string, object?>(StringComparer.Ordinal)
            {
                [loop.Name] = items[i],
                ["loop"] = new Dictionary<string, object?>(StringComparer.Ordinal)
                {
                    ["index0"] = (long)i,
                    ["index"] = (long)i + 1,
                    ["first"] = i == 0,
                    ["last"] = i == items.Count - 1,
                    ["length"] = (long)items.Count,
                },
            });
            Execute(loop.Body);
            _scopes.RemoveAt(_scopes.Count - 1);
        }
    }

    private string Text(object? value, int line) =>
        TemplateValues.Print(value) ?? throw Error(line, $"printing {TemplateValues.TypeName(value)} is not supported");

    private object? Evaluate(Expression expression) => expression switch
    {
        LiteralExpression literal => literal.Value,
        NameExpression name => Lookup(name.Name),
        IndexExpression index => Index(Evaluate(index.Target), Evaluate(index.Index), index.Line),
        SliceExpression slice => Slice(slice),
        UnaryExpression { Operator: "not" } not => !TemplateValues.IsTrue(Evaluate(not.Operand)),
        UnaryExpression minus => -Integer(Evaluate(minus.Operand), "-", minus.Line),
        BinaryExpression binary => Binary(binary),
        ConditionalExpression choice => TemplateValues.IsTrue(Evaluate(choice.Condition))
            ? Evaluate(choice.Then)
            : choice.Otherwise is null ? new Undefined("else") : Evaluate(choice.Otherwise),
        FilterExpression filter => Filter(filter),
        TestExpression test => Test(Evaluate(test.Operand), test.Test) != test.Negated,
        RaiseExpression raise => throw Error(raise.Line, Text(Evaluate(raise.Message), raise.Line)),
        _ => throw new InvalidOperationException($"an expression of an unknown kind: {expression.GetType()}"),
    };

    private object? Lookup(string name)
    {
        for (int i = _scopes.Count - 1; i >= 0; i--)
        {
            if (_scopes[i].TryGetValue(name, out object? value))
            {
                return value;
            }
        }

        return new Undefined(name);
    }

    private object? Index(object? target, object? index, int line)
    {
        if (target is null or Undefined)
        {
            throw Error(line, $"{TemplateValues.TypeName(target)} has no member '{TemplateValues.Print(index)}'");
        }

        return (target, index) switch
        {
            (Dictionary<string, object?> map, string key) when map.TryGetValue(key, out object? value) => value,
            (_, long position) when TemplateValues.ElementAt(target, position) is { Found: true } element =>
                element.Value,
            _ => new Undefined(TemplateValues.Print(index) ?? TemplateValues.TypeName(index)),
        };
    }

    private object? Slice(SliceExpression slice)
    {
        object? target = Evaluate(slice.Target);
        long? from = slice.From is null ? null : Integer(Evaluate(slice.From), "a slice", slice.Line);
        long? to = slice.To is null ? null : Integer(Evaluate(slice.To), "a slice", slice.Line);
        return TemplateValues.Slice(target, from, to)
            ?? throw Error(slice.Line, $"{TemplateValues.TypeName(target)} cannot be sliced");
    }

    private long Integer(object? value, string what, int line) => value switch
    {
        long number => number,
        bool flag => flag ? 1 : 0,
        _ => throw Error(line, $"{what} needs an integer, found {TemplateValues.TypeName(value)}"),
    };

    private object? Binary(BinaryExpression binary)
    {
        object? left = Evaluate(binary.Left);
        switch (binary.Operator)
        {
            case "and":
                return TemplateValues.IsTrue(left) ? Evaluate(binary.Right) : left;
            case "or":
                return TemplateValues.IsTrue(left) ? left : Evaluate(binary.Right);
            default:
                return Operate(binary.Operator, left, Evaluate(binary.Right), binary.Line);
        }
    }

    private object? Operate(string sign, object? left, object? right, int line)
    {
        switch (sign)
        {
            case "==":
                return TemplateValues.Equals(left, right);
            case "!=":
                return !TemplateValues.Equals(left, right);
            case "in":
                return Contains(right, left, line);
            case "not in":
                return !Contains(right, left, line);
            case "~":
                return Text(left, line) + Text(right, line);
            case "+" when left is string a && right is string b:
                return a + b;
            case "+" when left is List<object?> a && right is List<object?> b:
                return new List<object?>([.. a, .. b]);
            case "<" or "<=" or ">" or ">=":
                return Compare(sign, left, right, line);
            default:
                return Arithmetic(sign, left, right, line);
        }
    }

    private bool Contains(object? container, object? value, int line) => (container, value) switch
    {
        (string text, string part) => text.Contains(part, StringComparison.Ordinal),
        (List<object?> list, _) => list.Exists(item => TemplateValues.Equals(item, value)),
        (Dictionary<string, object?> map, _) => value is string key && map.ContainsKey(key),
        (Undefined, _) => false,
        _ => throw Error(
            line,
            $"'in' cannot look for {TemplateValues.TypeName(value)} in {TemplateValues.TypeName(container)}"),
    };

    private bool Compare(string sign, object? left, object? right, int line)
    {
        int order = left is string a && right is string b
            ? string.CompareOrdinal(a, b)
            : Operand(left).CompareTo(Operand(right));
        return sign switch
        {
            "<" => order < 0,
            "<=" => order <= 0,
            ">" => order > 0,
            _ => order >= 0,
        };

        long Operand(object? value) => Integer(value, $"'{sign}'", line);
    }

    private long Arithmetic(string sign, object? left, object? right, int line)
    {
        if (left is string != right is string)
        {
            throw Error(line, $"'{sign}' between {TemplateValues.TypeName(left)} and {TemplateValues.TypeName(right)}");
        }

        long a = Integer(left, $"'{sign}'", line);
        long b = Integer(right, $"'{sign}'", line);
        return sign switch
        {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            "%" when b is 0 => throw Error(line, "a remainder by zero"),
            "%" => b == -1 ? 0 : (((a % b) + b) % b), // the divisor's sign, as in Python
            _ => throw new InvalidOperationException($"an unknown operator: {sign}"),
        };
    }

    private object? Filter(FilterExpression filter)
    {
        object? value = Evaluate(filter.Operand);
        if (filter.Filter == "length")
        {
            return value is Undefined
                ? 0L
                : TemplateValues.Length(value)
                    ?? throw Error(filter.Line, $"{TemplateValues.TypeName(value)} has no length");
        }

        string text = Text(value, filter.Line);
        return filter.Filter switch
        {
            "trim" => text.Trim(),
            "upper" => text.ToUpperInvariant(),
            _ => text.ToLowerInvariant(),
        };
    }

    private static bool Test(object? value, string test) => test switch
    {
        "defined" => value is not Undefined,
        "undefined" => value is Undefined,
        "none" => value is null,
        _ => value is string,
    };
}


namespace Octavo.Text.Templates;

/// <summary>What stands in a call's parentheses.</summary>
internal sealed class ArgumentList(
    Expression[] positional, (string Name, Expression Value)[] named, Expression? spread, Expression? spreadNamed)
{
    public static ArgumentList Empty { get; } = new([], [], null, null);

    public Arguments Evaluate(Frame frame)
    {
        if (positional.Length == 0 && named.Length == 0 && spread is null && spreadNamed is null)
        {
            return Arguments.None;
        }

        List<object?> values = new(positional.Length);
        foreach (Expression item in positional)
        {
            values.Add(item.Evaluate(frame));
        }

        List<(string Name, object? Value)> byName = [];
        foreach ((string name, Expression value) in named)
        {
            Add(byName, name, value.Evaluate(frame));
        }

        if (spread is not null)
        {
            values.AddRange(Sequences.Iterate(frame.Renderer, spread.Evaluate(frame)));
        }

        if (spreadNamed is not null)
        {
            object? map = spreadNamed.Evaluate(frame);
            foreach ((object? name, object? value) in (map as PyDict
                ?? throw new TemplateFault($"arguments after ** must be a mapping, not {Types.Name(map)}")).Entries)
            {
                Add(byName, name as string ?? throw new TemplateFault("keywords must be strings"), value);
            }
        }

        return new Arguments(values, byName);
    }

    private static void Add(List<(string Name, object? Value)> arguments, string name, object? value)
    {
        if (arguments.Exists(a => a.Name == name))
        {
            throw new TemplateFault($"got several values for the argument '{name}'");
        }

        arguments.Add((name, value));
    }
}

internal sealed class CallExpression(int position, Expression function, ArgumentList arguments) : Expression(position)
{
    protected override object? Compute(Frame frame) => Call(frame, null);

    /// <summary>Calls it, with what a call block gives as <c>caller</c>.</summary>
    public object? Call(Frame frame, Macro? caller)
    {
        object? callee = function.Evaluate(frame);
        Arguments values = arguments.Evaluate(frame);
        frame.Renderer.Position = Position;
        if (caller is not null)
        {
            values = new Arguments(values.Positional, [.. values.Named, ("caller", caller)]);
        }

        return frame.Renderer.Call(callee, values);
    }
}

/// <summary>A filter or a test, applied to a value.</summary>
/// <param name="position">Where it stands.</param>
/// <param name="kind">What errors call it.</param>
/// <param name="name">Its name.</param>
/// <param name="apply">What it does; null where there is none of that name.</param>
/// <param name="value">What it is applied to.</param>
/// <param name="arguments">What stands in its parentheses.</param>
internal sealed class AppliedExpression(
    int position,
    string kind,
    string name,
    Func<Renderer, object?, Arguments, object?>? apply,
    Expression value,
    ArgumentList arguments) : Expression(position)
{
    protected override object? Compute(Frame frame)
    {
        object? input = value.Evaluate(frame);
        Arguments values = arguments.Evaluate(frame);
        frame.Renderer.Position = Position;
        return apply is null
            ? throw new TemplateFault($"there is no {kind} named '{name}'")
            : apply(frame.Renderer, input, values);
    }
}

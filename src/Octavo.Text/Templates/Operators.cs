using System.Diagnostics;

namespace Octavo.Text.Templates;

/// <summary>and, or: the operand that decides.</summary>
internal sealed class LogicalExpression(int position, Expression left, Expression right, bool stopsAt)
    : Expression(position)
{
    protected override object? Compute(Frame frame)
    {
        object? value = left.Evaluate(frame);
        return Truth.IsTrue(value) == stopsAt ? value : right.Evaluate(frame);
    }
}

internal sealed class NotExpression(int position, Expression operand) : Expression(position)
{
    protected override object? Compute(Frame frame) => !Truth.IsTrue(operand.Evaluate(frame));
}

internal sealed class SignExpression(int position, bool negative, Expression operand) : Expression(position)
{
    protected override object? Compute(Frame frame)
    {
        object? value = operand.Evaluate(frame);
        frame.Renderer.Position = Position;
        return Arithmetic.Sign(value, negative);
    }
}

internal sealed class BinaryExpression(int position, string operation, Expression left, Expression right)
    : Expression(position)
{
    protected override object? Compute(Frame frame)
    {
        object? a = left.Evaluate(frame);
        object? b = right.Evaluate(frame);
        frame.Renderer.Position = Position;
        return operation switch
        {
            "+" => Arithmetic.Add(frame.Renderer, a, b),
            "-" => Arithmetic.Subtract(a, b),
            "*" => Arithmetic.Multiply(frame.Renderer, a, b),
            "/" => Arithmetic.Divide(a, b),
            "//" => Arithmetic.FloorDivide(a, b),
            "%" => Arithmetic.Modulo(frame.Renderer, a, b),
            "**" => Arithmetic.Power(a, b),
            _ => throw new UnreachableException(operation),
        };
    }
}

/// <summary>~: the texts of all operands.</summary>
internal sealed class ConcatenationExpression(int position, Expression[] parts) : Expression(position)
{
    protected override object? Compute(Frame frame)
    {
        object?[] values = Array.ConvertAll(parts, p => p.Evaluate(frame));
        bool escape = frame.Renderer.Autoescape && Array.Exists(values, v => v is Markup);
        TextJoiner text = frame.Renderer.Joined();
        foreach (object? value in values)
        {
            text.Append(escape ? Markup.Escape(value).Text : Printing.Str(value));
        }

        frame.Renderer.ChargeText(text.Length);
        string joined = text.ToString();
        return escape ? new Markup(joined) : joined;
    }
}

internal enum ComparisonOperator
{
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

/// <summary>Comparisons; a chain of them holds where each does.</summary>
internal sealed class ComparisonExpression(
    int position, Expression first, (ComparisonOperator Operator, Expression Operand)[] rest) : Expression(position)
{
    protected override object? Compute(Frame frame)
    {
        object? left = first.Evaluate(frame);
        foreach ((ComparisonOperator comparison, Expression operand) in rest)
        {
            object? right = operand.Evaluate(frame);
            frame.Renderer.Position = Position;
            if (!Holds(frame.Renderer, comparison, left, right))
            {
                return false;
            }

            left = right;
        }

        return true;
    }

    private static bool Holds(Renderer renderer, ComparisonOperator comparison, object? left, object? right) =>
        comparison switch
        {
            ComparisonOperator.Equal => Comparison.AreEqual(left, right),
            ComparisonOperator.NotEqual => !Comparison.AreEqual(left, right),
            ComparisonOperator.Less => Comparison.Less(left, right, "<"),
            ComparisonOperator.Greater => Comparison.Less(right, left, ">"),
            ComparisonOperator.LessOrEqual => Comparison.LessOrEqual(left, right, "<="),
            ComparisonOperator.GreaterOrEqual => Comparison.LessOrEqual(right, left, ">="),
            ComparisonOperator.In => Sequences.Contains(renderer, right, left),
            ComparisonOperator.NotIn => !Sequences.Contains(renderer, right, left),
        };
}

using Octavo.Text.Prompts;

namespace Octavo.Text.Templates;

internal sealed class ConstantExpression(int position, object? value) : Expression(position)
{
    protected override object? Compute(Frame frame) => value;
}

/// <summary>A text that stands in the template.</summary>
internal sealed class TextExpression : Expression
{
    private readonly string _text;
    private readonly TextSpans _own;

    public TextExpression(int position, string text)
        : base(position)
    {
        // A copy, so that no value of a conversation is the same object.
        _text = new string(text.AsSpan());
        _own = TextSpans.Whole(text.Length);
    }

    protected override object? Compute(Frame frame)
    {
        frame.Renderer.Provenance.Note(_text, _own);
        return _text;
    }
}

internal sealed class NameExpression(int position, string name) : Expression(position)
{
    public string Name => name;

    protected override object? Compute(Frame frame) => frame.Find(name);
}

/// <summary>What a block wrote, as the innermost value of the filters that it goes through.</summary>
internal sealed class CapturedValue(int position) : Expression(position)
{
    // By frame, since a template serves many threads.
    public static string Name => "(captured)";

    protected override object? Compute(Frame frame) => frame.Find(Name);
}

internal sealed class ListExpression(int position, Expression[] items) : Expression(position)
{
    protected override object? Compute(Frame frame)
    {
        List<object?> list = new(items.Length);
        foreach (Expression item in items)
        {
            list.Add(item.Evaluate(frame));
        }

        return list;
    }
}

internal sealed class TupleExpression(int position, Expression[] items) : Expression(position)
{
    public IReadOnlyList<Expression> Items => items;

    protected override object? Compute(Frame frame) => new PyTuple(Array.ConvertAll(items, i => i.Evaluate(frame)));
}

internal sealed class DictionaryExpression(int position, (Expression Key, Expression Value)[] entries)
    : Expression(position)
{
    protected override object? Compute(Frame frame)
    {
        PyDict dict = new();
        foreach ((Expression key, Expression value) in entries)
        {
            object? evaluated = key.Evaluate(frame);
            dict[evaluated] = value.Evaluate(frame);
        }

        return dict;
    }
}

internal sealed class MemberExpression(int position, Expression owner, string name) : Expression(position)
{
    protected override object? Compute(Frame frame)
    {
        object? value = owner.Evaluate(frame);
        frame.Renderer.Position = Position;
        return Members.Member(value, name);
    }
}

internal sealed class ElementExpression(int position, Expression owner, Expression index) : Expression(position)
{
    protected override object? Compute(Frame frame)
    {
        object? value = owner.Evaluate(frame);
        object? at = index.Evaluate(frame);
        frame.Renderer.Position = Position;
        return Members.Element(value, at);
    }
}

/// <summary>The bounds of a slice; no value by itself.</summary>
internal sealed class SliceBounds(int position, Expression? from, Expression? to, Expression? step)
    : Expression(position)
{
    public Expression? From => from;

    public Expression? To => to;

    public Expression? Step => step;

    protected override object? Compute(Frame frame) => throw new TemplateFault("a slice stands where a value must");
}

internal sealed class SliceExpression(int position, Expression owner, SliceBounds bounds) : Expression(position)
{
    protected override object? Compute(Frame frame)
    {
        object? value = owner.Evaluate(frame);
        object? from = bounds.From?.Evaluate(frame);
        object? to = bounds.To?.Evaluate(frame);
        object? step = bounds.Step?.Evaluate(frame);
        frame.Renderer.Position = Position;
        return Sequences.Slice(value, from, to, step);
    }
}

internal sealed class ConditionalExpression(
    int position, Expression test, Expression value, Expression? otherwise) : Expression(position)
{
    protected override object? Compute(Frame frame) =>
        Truth.IsTrue(test.Evaluate(frame)) ? value.Evaluate(frame)
        : otherwise is null ? new Undefined(null, hint: "the inline if was false, and has no else")
        : otherwise.Evaluate(frame);
}


namespace Octavo.Text.Templates;

internal sealed class DataStatement(int position, string text) : Statement(position)
{
    public override Flow Run(Frame frame)
    {
        frame.Renderer.WriteOwn(text);
        return Flow.Next;
    }
}

internal sealed class PrintStatement(int position, Expression value) : Statement(position)
{
    public override Flow Run(Frame frame)
    {
        object? result = value.Evaluate(frame);
        frame.Renderer.Position = Position;
        frame.Renderer.Write(frame.Renderer.Autoescape ? Markup.Escape(result).Text : Printing.Str(result));
        return Flow.Next;
    }
}

/// <summary>Statements that share the names around them.</summary>
internal sealed class GroupStatement(int position, Body body) : Statement(position)
{
    public override Flow Run(Frame frame) => body.Run(frame);
}

/// <summary>Statements whose names end with them.</summary>
internal sealed class ScopeStatement(int position, Body body) : Statement(position)
{
    public override Flow Run(Frame frame) => body.Run(frame.Inner());
}

internal sealed class IfStatement(int position, (Expression Test, Body Body)[] branches, Body? otherwise)
    : Statement(position)
{
    public override Flow Run(Frame frame)
    {
        foreach ((Expression test, Body body) in branches)
        {
            if (Truth.IsTrue(test.Evaluate(frame)))
            {
                return body.Run(frame);
            }
        }

        return otherwise?.Run(frame) ?? Flow.Next;
    }
}

internal sealed class SetStatement(int position, Expression target, Expression value) : Statement(position)
{
    public override Flow Run(Frame frame)
    {
        Assignment.Assign(target, value.Evaluate(frame), frame);
        return Flow.Next;
    }
}

/// <summary>A block of text as a name's value, through filters.</summary>
internal sealed class SetBlockStatement(
    int position, Expression target, Body body, CapturedValue captured, Expression filtered) : Statement(position)
{
    public override Flow Run(Frame frame)
    {
        Frame inner = frame.Inner();
        (Flow flow, object text) = frame.Renderer.Capture(body, inner);
        if (flow == Flow.Next)
        {
            inner.Set(CapturedValue.Name, text);
            Assignment.Assign(target, filtered == captured ? text : filtered.Evaluate(inner), frame);
        }

        return flow;
    }
}

internal sealed class FilterBlockStatement(int position, Body body, Expression filtered) : Statement(position)
{
    public override Flow Run(Frame frame)
    {
        Frame inner = frame.Inner();
        (Flow flow, object text) = frame.Renderer.Capture(body, inner);
        if (flow == Flow.Next)
        {
            inner.Set(CapturedValue.Name, text);
            frame.Renderer.Write(Printing.Str(filtered.Evaluate(inner)));
        }

        return flow;
    }
}

/// <summary>Names for a block; their values see what stood before it.</summary>
internal sealed class WithStatement(int position, (Expression Target, Expression Value)[] assignments, Body body)
    : Statement(position)
{
    public override Flow Run(Frame frame)
    {
        Frame inner = frame.Inner();
        foreach ((Expression target, Expression value) in assignments)
        {
            Assignment.Assign(target, value.Evaluate(frame), inner);
        }

        return body.Run(inner);
    }
}

/// <summary>A block by name. It sees the template's own names, and where it is scoped those around it.</summary>
internal sealed class BlockStatement(int position, string name, bool scoped, Body body) : Statement(position)
{
    public string Name => name;

    public override Flow Run(Frame frame) => body.Run((scoped ? frame : frame.Root).Inner());
}

internal sealed class AutoescapeStatement(int position, Expression enabled, Body body) : Statement(position)
{
    public override Flow Run(Frame frame)
    {
        bool before = frame.Renderer.Autoescape;
        frame.Renderer.Autoescape = Truth.IsTrue(enabled.Evaluate(frame));
        try
        {
            return body.Run(frame);
        }
        finally
        {
            frame.Renderer.Autoescape = before;
        }
    }
}

internal sealed class JumpStatement(int position, Flow flow) : Statement(position)
{
    public override Flow Run(Frame frame) => flow;
}

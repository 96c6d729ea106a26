
namespace Octavo.Text.Templates;

/// <summary>A part of a template's tree.</summary>
/// <param name="position">Where it stands, in characters.</param>
internal abstract class Node(int position)
{
    public int Position { get; } = position;
}

/// <summary>A part that has a value.</summary>
internal abstract class Expression(int position) : Node(position)
{
    /// <summary>Its value where the names of a frame are seen; one step of the renderer's budget.</summary>
    public object? Evaluate(Frame frame)
    {
        frame.Renderer.Step(Position);
        return Compute(frame);
    }

    protected abstract object? Compute(Frame frame);
}

/// <summary>A part that writes.</summary>
internal abstract class Statement(int position) : Node(position)
{
    public abstract Flow Run(Frame frame);
}

/// <summary>Where to go on after a statement.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

/// <summary>Statements, one after the other.</summary>
internal sealed class Body(Statement[] statements)
{
    public Flow Run(Frame frame)
    {
        foreach (Statement statement in statements)
        {
            frame.Renderer.Step(statement.Position);
            if (statement.Run(frame) is not Flow.Next and Flow jump)
            {
                return jump;
            }
        }

        return Flow.Next;
    }
}


namespace Octavo.Text.Templates;

internal sealed class ForStatement(
    int position, Expression target, Expression items, Expression? filter, Body body, Body? otherwise, bool recursive)
    : Statement(position)
{
    public override Flow Run(Frame frame)
    {
        object? sequence = items.Evaluate(frame);
        frame.Renderer.Position = Position;
        return RunOver(sequence, frame, depth: 0);
    }

    /// <summary>Runs over a sequence; a recursive loop calls this again from its body.</summary>
    /// <param name="sequence">What to run over.</param>
    /// <param name="frame">The names around the loop.</param>
    /// <param name="depth">How many loops of this one it stands in.</param>
    public Flow RunOver(object? sequence, Frame frame, int depth)
    {
        IEnumerable<object?> values = Sequences.Iterate(frame.Renderer, sequence);
        LoopContext loop = new(frame, this, recursive, depth, filter is null ? values : Filtered(values, frame));

        // As in Jinja: what counts for the else is that one pass came to its end.
        bool completed = false;
        while (loop.MoveNext())
        {
            Frame inner = frame.Inner();
            inner.Set("loop", loop);
            Assignment.Assign(target, loop.Current, inner);
            Flow flow = body.Run(inner);
            if (flow == Flow.Break)
            {
                break;
            }

            completed |= flow == Flow.Next;
        }

        return completed || otherwise is null ? Flow.Next : otherwise.Run(frame.Inner());
    }

    private IEnumerable<object?> Filtered(IEnumerable<object?> values, Frame frame)
    {
        foreach (object? value in values)
        {
            Frame inner = frame.Inner();
            Assignment.Assign(target, value, inner);
            if (Truth.IsTrue(filter!.Evaluate(inner)))
            {
                yield return value;
            }
        }
    }
}

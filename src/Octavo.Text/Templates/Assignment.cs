
namespace Octavo.Text.Templates;

/// <summary>A namespace's member, as what is assigned to.</summary>
internal sealed class MemberTarget(int position, string owner, string name) : Expression(position)
{
    public string Name => name;

    protected override object? Compute(Frame frame) => frame.Find(owner);
}

internal static class Assignment
{
    /// <summary>Gives a target its value; several names take one element each.</summary>
    public static void Assign(Expression target, object? value, Frame frame)
    {
        switch (target)
        {
            case NameExpression name:
                frame.Set(name.Name, value);
                break;
            case MemberTarget member:
                frame.Renderer.Position = member.Position;
                (member.Evaluate(frame) as Namespace
                    ?? throw new TemplateFault("only members of a namespace can be assigned to"))
                    .Set(member.Name, value);
                break;
            case TupleExpression tuple:
                frame.Renderer.Position = tuple.Position;
                Unpack(tuple, value, frame);
                break;
            default:
                throw new TemplateFault("this cannot be assigned to", target.Position);
        }
    }

    private static void Unpack(TupleExpression targets, object? value, Frame frame)
    {
        List<object?> items = [];
        foreach (object? item in Sequences.Iterate(frame.Renderer, value))
        {
            items.Add(item);
            if (items.Count > targets.Items.Count)
            {
                throw new TemplateFault($"too many values to unpack (expected {targets.Items.Count})");
            }
        }

        if (items.Count < targets.Items.Count)
        {
            throw new TemplateFault(
                $"not enough values to unpack (expected {targets.Items.Count}, got {items.Count})");
        }

        for (int i = 0; i < items.Count; i++)
        {
            Assign(targets.Items[i], items[i], frame);
        }
    }
}

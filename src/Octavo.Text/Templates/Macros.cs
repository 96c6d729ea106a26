
namespace Octavo.Text.Templates;

/// <summary>A macro as it stands in the template.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Parameters">Its parameters' names.</param>
/// <param name="Defaults">The values of the last parameters where none is given.</param>
/// <param name="Body">What it writes.</param>
internal sealed record MacroDefinition(string Name, string[] Parameters, Expression[] Defaults, Body Body)
{
    public bool UsesCaller { get; init; }

    public bool UsesKwargs { get; init; }

    public bool UsesVarargs { get; init; }
}

internal sealed class MacroStatement(int position, MacroDefinition definition) : Statement(position)
{
    public override Flow Run(Frame frame)
    {
        frame.Set(definition.Name, new Macro(definition, frame));
        return Flow.Next;
    }
}

/// <summary>A call whose macro may write the block by calling <c>caller</c>.</summary>
internal sealed class CallBlockStatement(int position, CallExpression call, MacroDefinition caller)
    : Statement(position)
{
    public override Flow Run(Frame frame)
    {
        object? result = call.Call(frame, new Macro(caller, frame));
        frame.Renderer.Write(Printing.Str(result));
        return Flow.Next;
    }
}

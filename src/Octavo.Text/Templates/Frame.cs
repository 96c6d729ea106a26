
namespace Octavo.Text.Templates;

/// <summary>The names that a part of a template sees: its own, and those around it.</summary>
internal sealed class Frame
{
    private readonly Frame? _outer;
    private Dictionary<string, object?>? _values;

    public Frame(Renderer renderer, IEnumerable<KeyValuePair<string, object?>> values)
    {
        Renderer = renderer;
        Root = this;
        _values = new(values, StringComparer.Ordinal);
    }

    private Frame(Frame outer) => (Renderer, Root, _outer) = (outer.Renderer, outer.Root, outer);

    public Renderer Renderer { get; }

    /// <summary>The template's own.</summary>
    public Frame Root { get; }

    public Frame Inner() => new(this);

    public object? Find(string name)
    {
        for (Frame? frame = this; frame is not null; frame = frame._outer)
        {
            if (frame._values is { } values && values.TryGetValue(name, out object? value))
            {
                return value;
            }
        }

        return Globals.TryFind(Renderer, name, out object? global) ? global : new Undefined(name);
    }

    public void Set(string name, object? value) =>
        (_values ??= new Dictionary<string, object?>(StringComparer.Ordinal))[name] = value;
}

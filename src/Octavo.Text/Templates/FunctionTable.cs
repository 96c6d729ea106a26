
namespace Octavo.Text.Templates;

/// <summary>Functions by name; several names may mean one.</summary>
internal sealed class FunctionTable<TFunction>(IEnumerable<(string Names, TFunction Function)> functions)
    where TFunction : class
{
    private readonly Dictionary<string, TFunction> _byName = functions
        .SelectMany(f => f.Names.Split(' ').Select(name => (name, f.Function)))
        .ToDictionary(f => f.name, f => f.Function, StringComparer.Ordinal);

    public TFunction? Find(string name) => _byName.GetValueOrDefault(name);

    public bool Contains(string name) => _byName.ContainsKey(name);
}

/// <summary>A filter: a value to another.</summary>
internal sealed class FilterFunction(Func<Renderer, object?, Arguments, object?> apply)
{
    /// <summary>One with named parameters.</summary>
    public FilterFunction(Signature signature, Func<object?, BoundArguments, object?> apply)
        : this((renderer, value, arguments) => apply(value, signature.Bind(renderer, arguments)))
    {
    }

    public object? Apply(Renderer renderer, object? value, Arguments arguments)
    {
        renderer.Charge(1);
        Renderer.ChargeReading(Printing.AsText(value)?.Length ?? 0);
        return apply(renderer, value, arguments);
    }
}

/// <summary>A test: whether something holds of a value.</summary>
internal sealed class TestFunction(Signature signature, Func<object?, BoundArguments, bool> holds)
{
    public bool Holds(Renderer renderer, object? value, Arguments arguments)
    {
        renderer.Charge(1);
        return holds(value, signature.Bind(renderer, arguments));
    }
}

/// <summary>A method of a value.</summary>
internal sealed class Method<TOwner>(Signature signature, Func<TOwner, BoundArguments, object?> call)
{
    public Function Of(TOwner owner, string name) =>
        new(name, (renderer, arguments) =>
        {
            Renderer.ChargeReading((owner as string)?.Length ?? 0);
            return call(owner, signature.Bind(renderer, arguments));
        });
}


namespace Octavo.Text.Templates;

/// <summary>The arguments of a call, by position and by name.</summary>
internal sealed record Arguments(IReadOnlyList<object?> Positional, IReadOnlyList<(string Name, object? Value)> Named)
{
    public static Arguments None { get; } = new([], []);

    public bool IsEmpty => Positional.Count == 0 && Named.Count == 0;

    /// <summary>The same without the first by position.</summary>
    public Arguments Rest() => new([.. Positional.Skip(1)], Named);
}

/// <summary>A value that can be called.</summary>
internal interface ICallable
{
    object? Call(Renderer renderer, Arguments arguments);
}

/// <summary>A function of ours, perhaps one of a value.</summary>
/// <param name="name">Its name.</param>
/// <param name="call">What it does.</param>
internal sealed class Function(string name, Func<Renderer, Arguments, object?> call) : ICallable
{
    public string Name => name;

    public object? Call(Renderer renderer, Arguments arguments) => call(renderer, arguments);
}

/// <summary>The parameters of one of our functions: <c>new Signature("replace", "old", "new", "count?")</c>.</summary>
internal sealed class Signature
{
    private readonly string _function;
    private readonly string[] _names;
    private readonly int _required;

    /// <summary>A function's parameters.</summary>
    /// <param name="function">The function's name, for errors.</param>
    /// <param name="parameters">Its parameters; those with a question mark may be left out.</param>
    public Signature(string function, params string[] parameters)
    {
        _function = function;
        _required = parameters.TakeWhile(p => !p.EndsWith('?')).Count();
        _names = Array.ConvertAll(parameters, p => p.TrimEnd('?'));
    }

    /// <summary>The arguments in the order of the parameters.</summary>
    public BoundArguments Bind(Renderer renderer, Arguments arguments)
    {
        if (arguments.Positional.Count > _names.Length)
        {
            throw new TemplateFault(
                $"{_function}() takes at most {_names.Length} arguments, got {arguments.Positional.Count}");
        }

        var values = new object?[_names.Length];
        Array.Fill(values, BoundArguments.Absent);
        for (int i = 0; i < arguments.Positional.Count; i++)
        {
            values[i] = arguments.Positional[i];
        }

        foreach ((string name, object? value) in arguments.Named)
        {
            int at = Array.IndexOf(_names, name);
            values[at < 0 ? throw new TemplateFault($"{_function}() got an unexpected argument '{name}'") : at] =
                values[at] == BoundArguments.Absent ? value
                : throw new TemplateFault($"{_function}() got several values for the argument '{name}'");
        }

        int missing = Array.IndexOf(values, BoundArguments.Absent, 0, _required);
        return missing < 0
            ? new BoundArguments(renderer, _function, _names, values)
            : throw new TemplateFault($"{_function}() needs the argument '{_names[missing]}'");
    }
}

/// <summary>Arguments in the order of a function's parameters.</summary>
internal readonly struct BoundArguments(Renderer renderer, string function, string[] names, object?[] values)
{
    /// <summary>Stands for an argument that was not given.</summary>
    public static object Absent { get; } = new();

    public Renderer Renderer => renderer;

    public bool Has(int index) => values[index] != Absent;

    public object? Value(int index, object? otherwise = null) => Has(index) ? values[index] : otherwise;

    public string Text(int index) =>
        Printing.AsText(values[index]) ?? throw Wrong(index, "a string");

    public string Text(int index, string otherwise) => Has(index) ? Text(index) : otherwise;

    public bool Flag(int index, bool otherwise = false) => Has(index) ? Truth.IsTrue(values[index]) : otherwise;

    public long Int(int index, long otherwise = 0) =>
        !Has(index) ? otherwise : values[index] switch
        {
            long number => number,
            bool flag => flag ? 1 : 0,
            _ => throw Wrong(index, "an integer"),
        };

    private TemplateFault Wrong(int index, string expected) => values[index] is Undefined undefined
        ? undefined.Fault()
        : new TemplateFault(
            $"{function}(): {names[index]} must be {expected}, not {Types.Name(values[index])}");
}

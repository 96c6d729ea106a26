
namespace Octavo.Text.Templates;

/// <summary>A value with members of its own.</summary>
internal interface IMembers
{
    bool TryGetMember(string name, out object? value);
}

/// <summary>Python's tuple.</summary>
internal class PyTuple(object?[] items)
{
    public IReadOnlyList<object?> Items => items;
}

/// <summary>A group of the filter groupby.</summary>
internal sealed class GroupTuple(object? grouper, List<object?> list) : PyTuple([grouper, list]), IMembers
{
    public bool TryGetMember(string name, out object? value)
    {
        value = name == "grouper" ? Items[0] : Items[1];
        return name is "grouper" or "list";
    }
}

/// <summary>Python's range.</summary>
internal sealed record PyRange(long Start, long Stop, long Step)
{
    public long Count => Step > 0
        ? Math.Max(0, (Stop - Start + Step - 1) / Step)
        : Math.Max(0, (Start - Stop - Step - 1) / -Step);

    public IEnumerable<object?> Items
    {
        get
        {
            for (long i = 0; i < Count; i++)
            {
                yield return Start + (i * Step);
            }
        }
    }
}

/// <summary>What can be run over once, as the filters map and select give it.</summary>
internal sealed class PyIterator(string name, IEnumerable<object?> items)
{
    private readonly IEnumerator<object?> _items = items.GetEnumerator();

    public string Name => name;

    public IEnumerable<object?> Items
    {
        get
        {
            while (_items.MoveNext())
            {
                yield return _items.Current;
            }
        }
    }
}

/// <summary>A dictionary's keys, values or items.</summary>
internal sealed class DictView(string name, PyDict dict, Func<PyDict, IEnumerable<object?>> items)
{
    public string Name => name;

    public int Count => dict.Count;

    public IEnumerable<object?> Items => items(dict);
}

/// <summary>The one value whose members can be set: <c>namespace(…)</c>.</summary>
internal sealed class Namespace : IMembers
{
    public PyDict Values { get; } = new();

    public void Set(string name, object? value)
    {
        if (name.StartsWith('_'))
        {
            throw new TemplateFault(
                $"a namespace cannot store names that begin with an underscore ('{name}'); rename it");
        }

        Values[name] = value;
    }

    public bool TryGetMember(string name, out object? value) => Values.TryGetValue(name, out value);
}

/// <summary>Goes around its items: <c>cycler(…)</c>.</summary>
internal sealed class Cycler(IReadOnlyList<object?> items) : IMembers
{
    private int _at;

    public bool TryGetMember(string name, out object? value)
    {
        value = name switch
        {
            "current" => items[_at],
            "pos" => (long)_at,
            "items" => new PyTuple([.. items]),
            "next" or "__next__" => new Function(name, (_, _) =>
            {
                object? item = items[_at];
                _at = (_at + 1) % items.Count;
                return item;
            }),
            "reset" => new Function(name, (_, _) =>
            {
                _at = 0;
                return null;
            }),
            _ => BoundArguments.Absent,
        };
        return value != BoundArguments.Absent;
    }
}

/// <summary>Gives nothing the first time it is called, and a separator later: <c>joiner(…)</c>.</summary>
internal sealed class Joiner(object? separator) : ICallable
{
    private bool _used;

    public object? Call(Renderer renderer, Arguments arguments)
    {
        object? result = _used ? separator : string.Empty;
        _used = true;
        return result;
    }
}

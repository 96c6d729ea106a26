using System.Numerics;

namespace Octavo.Text.Templates;

/// <summary>The methods of dicts, lists and tuples that change nothing.</summary>
internal static class CollectionMethods
{
    private static readonly FunctionTable<Method<PyDict>> Dict = new(
    [
        ("get", new(new("get", "key", "default?"), (d, a) =>
            d.TryGetValue(a.Value(0), out object? value) ? value : a.Value(1))),
        ("keys", new(new("keys"), (d, _) => new DictView("dict_keys", d, x => x.Keys))),
        ("values", new(new("values"), (d, _) => new DictView("dict_values", d, x => x.Values))),
        ("items", new(new("items"), (d, _) => new DictView("dict_items", d, Items))),
        ("copy", new(new("copy"), (d, _) => new PyDict(d.Entries))),
        ("fromkeys", new(new("fromkeys", "iterable", "value?"), (_, a) =>
        {
            object? value = a.Value(1);
            return new PyDict(Sequences.Iterate(a.Renderer, a.Value(0)).Select(key => (key, value)));
        })),
    ]);

    private static readonly FunctionTable<Method<IReadOnlyList<object?>>> List = new(
    [
        ("count", new(new("count", "value"), (l, a) =>
        {
            object? sought = a.Value(0);
            return (long)l.Count(item => Comparison.AreEqual(item, sought));
        })),
        ("index", new(new("index", "value", "start?", "stop?"), IndexOf)),
    ]);

    public static Function? Find(PyDict dict, string name) => Dict.Find(name)?.Of(dict, name);

    public static Function? Find(List<object?> list, string name) => name == "copy"
        ? new Method<List<object?>>(new("copy"), (l, _) => l).Of(list, name)
        : List.Find(name)?.Of(list, name);

    public static Function? Find(PyTuple tuple, string name) => List.Find(name)?.Of(tuple.Items, name);

    /// <summary>A dict's keys and values, as tuples.</summary>
    public static IEnumerable<object?> Items(PyDict dict) =>
        dict.Entries.Select(e => (object?)new PyTuple([e.Key, e.Value]));

    private static object? IndexOf(IReadOnlyList<object?> list, BoundArguments arguments)
    {
        (long start, long stop) = (At(arguments.Int(1)), At(arguments.Int(2, list.Count)));
        for (long i = start; i < stop; i++)
        {
            if (Comparison.AreEqual(list[(int)i], arguments.Value(0)))
            {
                return i;
            }
        }

        throw new TemplateFault($"{Printing.Repr(arguments.Value(0))} is not in list");

        long At(long index) => Math.Clamp(index < 0 ? index + list.Count : index, 0, list.Count);
    }
}

/// <summary>The members of numbers.</summary>
internal static class NumberMethods
{
    public static object? Find(object number, string name) => (name, number) switch
    {
        ("real", bool or long or BigInteger) or ("numerator", bool or long or BigInteger) =>
            PythonNumber.Normalize(PythonNumber.AsInteger(number)!.Value),
        ("real", _) => number,
        ("imag", double) => 0.0,
        ("imag", _) => 0L,
        ("denominator", not double) => 1L,
        ("bit_length", not double) => new Function(name, (_, _) =>
            (long)BigInteger.Abs(PythonNumber.AsInteger(number)!.Value).GetBitLength()),
        ("is_integer", double value) =>
            new Function(name, (_, _) => double.IsFinite(value) && Math.Floor(value) == value),
        ("conjugate", _) => new Function(name, (_, _) => number),
        _ => null,
    };
}

using System.Numerics;

namespace Octavo.Text.Templates;

/// <summary>
/// What <c>a.b</c> and <c>a[b]</c> mean in Jinja's immutable sandbox: members first or elements first, then the other;
/// what would change a value, and Python's inner names, are there but may not be used.
/// </summary>
internal static class Members
{
    private static readonly string[] Inner =
    [
        "__class__", "__dict__", "__doc__", "__init__", "__module__", "__getattribute__", "__subclasshook__",
        "__new__", "__reduce__", "__reduce_ex__", "__eq__", "__ne__", "__hash__", "__str__", "__repr__", "__format__",
        "__sizeof__", "__dir__", "__setattr__", "__delattr__", "__init_subclass__", "__lt__", "__le__", "__gt__",
        "__ge__", "__len__", "__iter__", "__contains__", "__getitem__", "__add__", "__mul__",
    ];

    private static readonly string[] ChangesList =
        ["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"];

    private static readonly string[] ChangesDict = ["clear", "pop", "popitem", "setdefault", "update"];

    /// <summary><c>owner.name</c>.</summary>
    public static object? Member(object? owner, string name)
    {
        if (owner is Undefined undefined && !Inner.Contains(name, StringComparer.Ordinal))
        {
            throw undefined.Fault();
        }

        return TryMember(owner, name, out object? member) ? member
            : owner is PyDict dict && dict.TryGetValue(name, out object? element) ? element
            : Undefined.Of(owner, name);
    }

    /// <summary><c>owner[index]</c>.</summary>
    public static object? Element(object? owner, object? index)
    {
        switch (owner)
        {
            case Undefined undefined:
                throw undefined.Fault();
            case PyDict dict when PyDict.CanBeKey(index) && dict.TryGetValue(index, out object? found):
                return found;
            case PyDict:
                break;
            default:
                if (index is long or bool
                    && Sequences.TryElement(owner, (long)PythonNumber.AsInteger(index)!.Value, out object? element))
                {
                    return element;
                }

                break;
        }

        return Printing.AsText(index) is { } name && TryMember(owner, name, out object? member)
            ? member
            : Undefined.Of(owner, index);
    }

    private static bool TryMember(object? owner, string name, out object? member)
    {
        if (owner is IMembers members && members.TryGetMember(name, out member))
        {
            return true;
        }

        if (name.StartsWith("__") && Inner.Contains(name, StringComparer.Ordinal))
        {
            member = Undefined.Unsafe(owner, name);
            return true;
        }

        member = owner switch
        {
            string or Markup => StringMethods.Find(owner, name),
            PyDict when ChangesDict.Contains(name, StringComparer.Ordinal) => Undefined.Unsafe(owner, name),
            PyDict dict => CollectionMethods.Find(dict, name),
            List<object?> when ChangesList.Contains(name, StringComparer.Ordinal) => Undefined.Unsafe(owner, name),
            List<object?> list => CollectionMethods.Find(list, name),
            PyTuple tuple => CollectionMethods.Find(tuple, name),
            PyRange range => name switch
            {
                "start" => range.Start,
                "stop" => range.Stop,
                "step" => range.Step,
                _ => null,
            },
            bool or long or BigInteger or double => NumberMethods.Find(owner, name),
            _ => null,
        };
        return member is not null;
    }
}

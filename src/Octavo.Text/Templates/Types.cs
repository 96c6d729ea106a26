using System.Numerics;

namespace Octavo.Text.Templates;

/// <summary>
/// The values of a template: null, bool, long, <see cref="BigInteger"/> (only beyond long), double, string,
/// <see cref="Markup"/>, <c>List&lt;object?&gt;</c> (never changed), <see cref="PyTuple"/>, <see cref="PyDict"/>,
/// <see cref="Undefined"/>, and the objects that templates make.
/// </summary>
internal static class Types
{
    /// <summary>What Python calls a value's type.</summary>
    public static string Name(object? value) => value switch
    {
        null => "NoneType",
        bool => "bool",
        long or BigInteger => "int",
        double => "float",
        string => "str",
        Markup => "Markup",
        List<object?> => "list",
        PyTuple => "tuple",
        PyDict => "dict",
        PyRange => "range",
        DictView view => view.Name,
        PyIterator => "generator",
        Undefined => "Undefined",
        Namespace => "Namespace",
        Macro => "Macro",
        LoopContext => "LoopContext",
        Cycler => "Cycler",
        Joiner => "Joiner",
        Function => "function",
        _ => "object",
    };

    public static bool IsNumber(object? value) => value is bool or long or double or BigInteger;
}

internal static class Truth
{
    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        long number => number != 0,
        double number => number != 0,
        string text => text.Length > 0,
        Markup markup => markup.Text.Length > 0,
        List<object?> list => list.Count > 0,
        PyTuple tuple => tuple.Items.Count > 0,
        PyDict dict => dict.Count > 0,
        PyRange range => range.Count > 0,
        DictView view => view.Count > 0,
        _ => true,
    };
}

using System.Globalization;
using System.Text;

namespace Octavo.Text.Templates;

/// <summary>
/// A name or member that is not there. It prints as nothing and is false; using it otherwise is an error.
/// </summary>
internal sealed record Undefined(string Name);

/// <summary>
/// The values of a template, with Python's meaning: null, bool, long, string, <see cref="Undefined"/>,
/// <c>List&lt;object?&gt;</c> and <c>Dictionary&lt;string, object?&gt;</c>.
/// </summary>
internal static class TemplateValues
{
    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        long number => number != 0,
        string text => text.Length > 0,
        List<object?> list => list.Count > 0,
        Dictionary<string, object?> map => map.Count > 0,
        _ => true,
    };

    /// <summary>What a value prints as; null for a list or map, which would need Python's repr.</summary>
    public static string? Print(object? value) => value switch
    {
        null => "None",
        Undefined => "",
        bool flag => flag ? "True" : "False",
        long number => number.ToString(CultureInfo.InvariantCulture),
        string text => text,
        _ => null,
    };

    public static string TypeName(object? value) => value switch
    {
        null => "none",
        Undefined undefined => $"undefined '{undefined.Name}'",
        bool => "a boolean",
        long => "an integer",
        string => "a string",
        List<object?> => "a list",
        _ => "a mapping",
    };

    public static new bool Equals(object? left, object? right) => (left, right) switch
    {
        (bool a, long b) => (a ? 1 : 0) == b,
        (long a, bool b) => a == (b ? 1 : 0),
        (Undefined, Undefined) => true,
        (List<object?> a, List<object?> b) =>
            a.Count == b.Count && a.Zip(b).All(pair => Equals(pair.First, pair.Second)),
        (Dictionary<string, object?> a, Dictionary<string, object?> b) => a.Count == b.Count
            && a.All(entry => b.TryGetValue(entry.Key, out object? other) && Equals(entry.Value, other)),
        _ => object.Equals(left, right),
    };

    /// <summary>Length as Python counts it, strings in code points; null where there is none.</summary>
    public static long? Length(object? value) => value switch
    {
        string text => text.EnumerateRunes().Count(),
        List<object?> list => list.Count,
        Dictionary<string, object?> map => map.Count,
        _ => null,
    };

    /// <summary>An element by index, from the end where negative; null outside.</summary>
    public static (bool Found, object? Value) ElementAt(object? value, long index)
    {
        long length = Length(value) ?? 0;
        index = index < 0 ? index + length : index;
        if (index < 0 || index >= length)
        {
            return (false, null);
        }

        return value switch
        {
            List<object?> list => (true, list[(int)index]),
            string text => (true, text.EnumerateRunes().ElementAt((int)index).ToString()),
            _ => (false, null),
        };
    }

    /// <summary>A slice; its ends count from the end where negative, and are clamped. Null where it has none.</summary>
    public static object? Slice(object? value, long? from, long? to)
    {
        long length = Length(value) ?? 0;
        int first = Clamp(from ?? 0, length);
        int count = Math.Max(0, Clamp(to ?? length, length) - first);
        switch (value)
        {
            case List<object?> list:
                return list.GetRange(Math.Min(first, list.Count), count);
            case string text:
                StringBuilder slice = new();
                foreach (Rune rune in text.EnumerateRunes().Skip(first).Take(count))
                {
                    slice.Append(rune);
                }

                return slice.ToString();
            default:
                return null;
        }
    }

    private static int Clamp(long index, long length) =>
        (int)Math.Clamp(index < 0 ? index + length : index, 0, length);
}

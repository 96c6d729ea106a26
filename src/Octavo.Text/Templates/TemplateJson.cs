using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Octavo.Text.Templates;

/// <summary>Turns JSON and .NET's own collections into a template's values.</summary>
internal static class TemplateJson
{
    /// <summary>The values of JSON: as Python's json reads it, numbers without a fraction are integers.</summary>
    /// <exception cref="JsonException">A string is not valid Unicode.</exception>
    public static object? Read(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => new PyDict(json.EnumerateObject().Select(p => ((object?)NameOf(p), Read(p.Value)))),
        JsonValueKind.Array => json.EnumerateArray().Select(Read).ToList(),
        JsonValueKind.String => TextOf(json),
        JsonValueKind.Number => NumberOf(json.GetRawText()),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => null,
    };

    /// <summary>A template's value of a .NET value.</summary>
    public static object? FromPlain(object? value) => value switch
    {
        JsonElement json => Read(json),
        int number => (long)number,
        float number => (double)number,
        BigInteger number => PythonNumber.Normalize(number),
        IReadOnlyDictionary<string, object?> map =>
            new PyDict(map.Select(e => ((object?)e.Key, FromPlain(e.Value)))),
        IEnumerable<object?> list => list.Select(FromPlain).ToList(),
        null or bool or long or double or string or PyDict => value,
        _ => throw new ArgumentException($"{value.GetType().Name} is no value of a template", nameof(value)),
    };

    private static object NumberOf(string text) => text.AsSpan().IndexOfAny('.', 'e', 'E') >= 0
        ? double.Parse(text, CultureInfo.InvariantCulture)
        : PythonNumber.ParseInteger(text, 10) ?? throw new JsonException("an integer has too many digits");

    private static string TextOf(JsonElement json)
    {
        try
        {
            return json.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException("a string is not valid Unicode", e);
        }
    }

    private static string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException("a name is not valid Unicode", e);
        }
    }
}

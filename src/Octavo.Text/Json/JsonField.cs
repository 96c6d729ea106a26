using System.Text.Json;
using Octavo.Formats;

namespace Octavo.Text.Json;

/// <summary>A JSON value that knows which file and field it came from, so that every complaint can say so.</summary>
internal readonly record struct JsonField(string File, string Path, JsonElement Value)
{
    /// <summary>Parses a file whose root must be an object. The caller disposes the document.</summary>
    public static (JsonDocument Document, JsonField Root) Parse(string path, byte[] bytes)
    {
        try
        {
            JsonDocument document = JsonDocument.Parse(PythonJson.ToJson(bytes));
            JsonField root = new(path, "$", document.RootElement);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                document.Dispose();
                throw root.Error("expected a JSON object at the top");
            }

            return (document, root);
        }
        catch (JsonException e)
        {
            throw new TokenizerFormatException(path, "$", $"malformed JSON: {e.Message}", e);
        }
    }

    public bool IsString => Value.ValueKind == JsonValueKind.String;

    public bool IsObject => Value.ValueKind == JsonValueKind.Object;

    public bool IsArray => Value.ValueKind == JsonValueKind.Array;

    public TokenizerFormatException Error(string problem, Exception? inner = null) => new(File, Path, problem, inner);

    /// <summary>A member, or null where it is absent or JSON null.</summary>
    public JsonField? Find(string name)
    {
        if (!IsObject)
        {
            throw Error($"expected an object, found {Kind}");
        }

        return Value.TryGetProperty(name, out JsonElement member) && member.ValueKind != JsonValueKind.Null
            ? new JsonField(File, Join(name), member)
            : null;
    }

    public JsonField Require(string name) =>
        Find(name) ?? throw new TokenizerFormatException(File, Join(name), "the field is missing");

    public string AsString()
    {
        if (!IsString)
        {
            throw Error($"expected a string, found {Kind}");
        }

        try
        {
            return Value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw Error("the string is not valid Unicode", e);
        }
    }

    public int AsInt() =>
        Value.ValueKind == JsonValueKind.Number && Value.TryGetInt32(out int number)
            ? number
            : throw Error($"expected a 32-bit integer, found {Kind}");

    public bool AsBool() => Value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Error($"expected true or false, found {Kind}"),
    };

    /// <summary>An integer that is not negative.</summary>
    public int AsCount() => AsInt() is >= 0 and int count
        ? count
        : throw Error("expected a count, found a negative number");

    public double AsDouble() =>
        Value.ValueKind == JsonValueKind.Number ? Value.GetDouble() : throw Error($"expected a number, found {Kind}");

    public string StringOr(string name, string fallback) => Find(name)?.AsString() ?? fallback;

    public bool BoolOr(string name, bool fallback) => Find(name)?.AsBool() ?? fallback;

    public IEnumerable<JsonField> Items()
    {
        if (!IsArray)
        {
            throw Error($"expected an array, found {Kind}");
        }

        return Iterate(this);

        static IEnumerable<JsonField> Iterate(JsonField array)
        {
            int index = 0;
            foreach (JsonElement item in array.Value.EnumerateArray())
            {
                yield return new JsonField(array.File, $"{array.Path}[{index}]", item);
                index++;
            }
        }
    }

    /// <summary>The members of an object by their names; nulls are left out.</summary>
    public IEnumerable<(string Name, JsonField Value)> Members()
    {
        if (!IsObject)
        {
            throw Error($"expected an object, found {Kind}");
        }

        return Iterate(this);

        static IEnumerable<(string Name, JsonField Value)> Iterate(JsonField parent)
        {
            foreach (JsonProperty property in parent.Value.EnumerateObject())
            {
                string name = parent.NameOf(property);
                if (property.Value.ValueKind != JsonValueKind.Null)
                {
                    yield return (name, new JsonField(parent.File, parent.Join(name), property.Value));
                }
            }
        }
    }

    private string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException e)
        {
            throw Error("the name of a field is not valid Unicode", e);
        }
    }

    private string Kind => Value.ValueKind.ToString().ToLowerInvariant();

    private string Join(string name) => Path == "$" ? name : $"{Path}.{name}";
}

using System.Globalization;
using System.Text.Json;

namespace Octavo.Server.Protocols;

/// <summary>A value in a request's body that knows its path, so that every complaint names the field.</summary>
internal readonly record struct JsonValue(string Path, JsonElement Element, FieldNotes? Notes = null)
{
    public bool IsString => Element.ValueKind == JsonValueKind.String;

    public bool IsArray => Element.ValueKind == JsonValueKind.Array;

    public bool IsObject => Element.ValueKind == JsonValueKind.Object;

    public bool IsNull => Element.ValueKind == JsonValueKind.Null;

    /// <summary>False, null, "", [], {} and an object of nulls: says nothing.</summary>
    public bool IsEmpty => Element.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.String => Element.ValueEquals(string.Empty),
        JsonValueKind.Array => Element.GetArrayLength() == 0,
        JsonValueKind.Object => Element.EnumerateObject().All(m => m.Value.ValueKind == JsonValueKind.Null),
        _ => false,
    };

    public ApiException Error(string rule) => ApiException.BadRequest(Path, $"{Path} {rule}");

    public bool Bool() => Element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Error("must be true or false"),
    };

    public int Int() => (int)Integer(int.MinValue, int.MaxValue);

    /// <summary>An integer of 64 bits; 5.0 counts as one.</summary>
    public long Long() => Integer(long.MinValue, long.MaxValue);

    public float Float() => (float)Double();

    public double Double() =>
        Element.ValueKind == JsonValueKind.Number && Element.TryGetDouble(out double value) && double.IsFinite(value)
            ? value
            : throw Error("must be a number");

    public string Text()
    {
        if (!IsString)
        {
            throw Error("must be a string");
        }

        try
        {
            return Element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Error("must be valid Unicode");
        }
    }

    public string OneOf(params string[] accepted) =>
        accepted.Contains(Text(), StringComparer.Ordinal)
            ? Text()
            : throw Error("must be one of " + string.Join(", ", accepted));

    public IEnumerable<JsonValue> Items()
    {
        if (!IsArray)
        {
            throw Error("must be a list");
        }

        return Iterate(this);

        static IEnumerable<JsonValue> Iterate(JsonValue list)
        {
            int index = 0;
            foreach (JsonElement item in list.Element.EnumerateArray())
            {
                yield return new JsonValue($"{list.Path}[{index}]", item, list.Notes);
                index++;
            }
        }
    }

    public IEnumerable<(string Name, JsonValue Value)> Members()
    {
        if (!IsObject)
        {
            throw Error("must be an object");
        }

        return Iterate(this);

        static IEnumerable<(string Name, JsonValue Value)> Iterate(JsonValue owner)
        {
            foreach (JsonProperty member in owner.Element.EnumerateObject())
            {
                string name = owner.NameOf(member);
                yield return (
                    name,
                    new JsonValue(owner.Path.Length == 0 ? name : $"{owner.Path}.{name}", member.Value, owner.Notes));
            }
        }
    }

    /// <summary>A list of token ids. Long ones are common, so their paths are made only for a complaint.</summary>
    public int[] Ints()
    {
        if (!IsArray)
        {
            throw Error("must be a list of integers");
        }

        var result = new int[Element.GetArrayLength()];
        int index = 0;
        foreach (JsonElement item in Element.EnumerateArray())
        {
            result[index] = item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int value)
                ? value
                : throw new JsonValue($"{Path}[{index}]", item).Error("must be an integer");
            index++;
        }

        return result;
    }

    public string[] Texts() => [.. Items().Select(i => i.Text())];

    public string[] TextOrTexts() =>
        IsString ? [Text()] : IsArray ? Texts() : throw Error("must be a string or a list of strings");

    /// <summary>A map from token ids, which JSON spells as strings, to numbers.</summary>
    public Dictionary<int, float> TokenMap()
    {
        var result = new Dictionary<int, float>();
        foreach ((string name, JsonValue value) in Members())
        {
            int id = int.TryParse(name, NumberStyles.Integer, CultureInfo.InvariantCulture, out int parsed)
                ? parsed
                : throw Error($"must have token ids as keys; \"{name}\" is none");
            result[id] = value.Float();
        }

        return result;
    }

    /// <summary>The value in plain .NET types.</summary>
    public object? Plain() => Element.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.True or JsonValueKind.False => Bool(),
        JsonValueKind.String => Text(),
        JsonValueKind.Number when Element.TryGetInt64(out long number) => number,
        JsonValueKind.Number => Double(),
        JsonValueKind.Array => Items().Select(i => i.Plain()).ToList(),
        _ => Map(m => m.Plain()),
    };

    /// <summary>An object's members; of a name that stands twice, the last counts, as everywhere in a body.</summary>
    public Dictionary<string, T> Map<T>(Func<JsonValue, T> read)
    {
        var result = new Dictionary<string, T>(StringComparer.Ordinal);
        foreach ((string name, JsonValue value) in Members())
        {
            result[name] = read(value);
        }

        return result;
    }

    private long Integer(long least, long most)
    {
        if (Element.ValueKind == JsonValueKind.Number
            && Element.TryGetDecimal(out decimal number)
            && decimal.IsInteger(number)
                && number >= least && number <= most)
        {
            return (long)number;
        }

        // 1e300 is an integer, but none that fits.
        bool isWhole = Element.ValueKind == JsonValueKind.Number
            && Element.TryGetDouble(out double value)
            && (double.IsInteger(value) || double.IsInfinity(value));
        throw Error(isWhole ? $"must be an integer from {least} to {most}" : "must be an integer");
    }

    private string NameOf(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)
        {
            throw ApiException.BadRequest(Path.Length == 0 ? null : Path, "a field's name must be valid Unicode");
        }
    }
}

using System.Text.Json;
using System.Text.Json.Nodes;

namespace Octavo.Formats;

/// <summary>
/// Typed access to a configuration object. A field that is absent or null takes the fallback, or is an error where
/// there is none; a wrong type or range is a <see cref="CheckpointException"/> that names the file and the field.
/// </summary>
internal sealed class ConfigReader
{
    private readonly JsonElement _object;
    private readonly string _prefix;
    private readonly ISet<string>? _asked;

    /// <summary>Reads the object of a file.</summary>
    public ConfigReader(string file, JsonElement @object)
        : this(file, @object, "")
    {
    }

    private ConfigReader(string file, JsonElement @object, string prefix, ISet<string>? asked = null)
    {
        (File, _object, _prefix, _asked) = (file, @object, prefix, asked);
    }

    /// <summary>The object itself.</summary>
    public JsonElement Json => _object;

    /// <summary>The file's path.</summary>
    public string File { get; }

    /// <summary>A field's path from the file's root, such as <c>rope_scaling.factor</c>.</summary>
    public string PathOf(string field) => _prefix + field;

    /// <summary>A reader that adds the fields of this object that it is asked for to a set.</summary>
    public ConfigReader Recording(ISet<string> asked) => new(File, _object, _prefix, asked);

    /// <summary>Says that fields are known, whether or not they are asked for.</summary>
    public void Knows(params ReadOnlySpan<string> fields)
    {
        foreach (string field in fields)
        {
            _asked?.Add(field);
        }
    }

    /// <summary>Whether the field is there and not null.</summary>
    public bool Has(string field) => Find(field) is not null;

    /// <summary>Whether the field is there, be it null.</summary>
    public bool States(string field)
    {
        _asked?.Add(field);
        return _object.TryGetProperty(field, out _);
    }

    /// <summary>The field's value; null where it is absent or null.</summary>
    public JsonElement? Find(string field)
    {
        _asked?.Add(field);
        return _object.TryGetProperty(field, out JsonElement value) && value.ValueKind != JsonValueKind.Null
            ? value
            : null;
    }

    /// <summary>A string, or null.</summary>
    public string? Text(string field) => Find(field) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } value => value.GetString(),
        { } value => throw Wrong(field, "a string", value),
    };

    /// <summary>A truth value.</summary>
    public bool Flag(string field, bool fallback) => Find(field) switch
    {
        null => fallback,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } value => throw Wrong(field, "true or false", value),
    };

    /// <summary>An integer in a range, or null.</summary>
    public int? Integer(string field, int minimum = int.MinValue, int maximum = int.MaxValue)
    {
        if (Find(field) is not { } value)
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number)
            && number >= minimum && number <= maximum
            ? number
            : throw Wrong(field, FormattableString.Invariant($"an integer from {minimum} to {maximum}"), value);
    }

    /// <summary>A required integer from 1 to a maximum.</summary>
    public int Size(string field, int maximum) => Integer(field, 1, maximum) ?? throw Missing(field);

    /// <summary>A finite number, or null.</summary>
    public double? Number(string field)
    {
        if (Find(field) is not { } value)
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number
            && value.TryGetDouble(out double number)
            && double.IsFinite(number)
            ? number
            : throw Wrong(field, "a finite number", value);
    }

    /// <summary>A finite number above 0, or null.</summary>
    public double? Positive(string field) => Number(field) switch
    {
        null => null,
        > 0 and var number => number,
        _ => throw Wrong(field, "a number above 0", Find(field)!.Value),
    };

    /// <summary>
    /// A list of integers, which may be written as one integer; nulls in it say nothing; empty where the field is
    /// absent.
    /// </summary>
    public IReadOnlyList<int> Integers(string field)
    {
        const string Expected = "an integer or a list of integers";
        if (Find(field) is not { } value)
        {
            return [];
        }

        if (value.ValueKind != JsonValueKind.Array)
        {
            return [ToInteger(value)];
        }

        return [.. value.EnumerateArray().Where(element => element.ValueKind != JsonValueKind.Null).Select(ToInteger)];

        int ToInteger(JsonElement element) =>
            element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out int number)
                ? number
                : throw Wrong(field, Expected, value);
    }

    /// <summary>A list of numbers; empty where the field is absent.</summary>
    public IReadOnlyList<double> Numbers(string field)
    {
        if (Find(field) is not { } value)
        {
            return [];
        }

        return value.ValueKind == JsonValueKind.Array
            && value.EnumerateArray().All(element => element.ValueKind == JsonValueKind.Number)
            ? [.. value.EnumerateArray().Select(element => element.GetDouble())]
            : throw Wrong(field, "a list of numbers", value);
    }

    /// <summary>A list of strings; empty where the field is absent.</summary>
    public IReadOnlyList<string> Texts(string field)
    {
        if (Find(field) is not { } value)
        {
            return [];
        }

        return value.ValueKind == JsonValueKind.Array
            && value.EnumerateArray().All(element => element.ValueKind == JsonValueKind.String)
            ? [.. value.EnumerateArray().Select(element => element.GetString()!)]
            : throw Wrong(field, "a list of strings", value);
    }

    /// <summary>A reader of the object inside a field, or null.</summary>
    public ConfigReader? Section(string field) => Find(field) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } value => new ConfigReader(File, value, $"{PathOf(field)}."),
        { } value => throw Wrong(field, "an object", value),
    };

    /// <summary>
    /// A reader of the object inside a field, or null; where that lacks one of some fields, this object's counts.
    /// </summary>
    public ConfigReader? SectionWith(string field, params ReadOnlySpan<string> inherited)
    {
        if (Section(field) is not { } section)
        {
            return null;
        }

        JsonObject merged = JsonObject.Create(section.Json)!;
        foreach (string name in inherited)
        {
            if (!section.Has(name) && Find(name) is { } value)
            {
                merged[name] = JsonNode.Parse(value.GetRawText());
            }
        }

        return new ConfigReader(File, JsonSerializer.SerializeToElement(merged), $"{PathOf(field)}.");
    }

    /// <summary>A reader of this object with another one's fields, which count where both have one.</summary>
    public ConfigReader UpdatedBy(ConfigReader other)
    {
        JsonObject merged = JsonObject.Create(_object)!;
        foreach (JsonProperty field in other._object.EnumerateObject())
        {
            merged[field.Name] = JsonNode.Parse(field.Value.GetRawText());
        }

        return new ConfigReader(File, JsonSerializer.SerializeToElement(merged), _prefix);
    }

    /// <summary>The error of a required field that is absent.</summary>
    public CheckpointException Missing(string field) => Invalid(field, "is missing; it is required");

    /// <summary>An error about a field.</summary>
    public CheckpointException Invalid(string field, string problem) => new(File, $"{PathOf(field)} {problem}");

    private CheckpointException Wrong(string field, string expected, JsonElement value) =>
        Invalid(field, $"must be {expected}, but is {Raw(value)}");

    /// <summary>
    /// A value as messages show it: as it stands in the file, numbers that Python spells without digits included.
    /// </summary>
    internal static string Raw(JsonElement value) =>
        CheckpointException.Shorten(PythonJson.AsWritten(value.GetRawText()));
}

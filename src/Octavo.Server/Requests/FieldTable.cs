using System.Collections;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Octavo.Server.Http;

namespace Octavo.Server.Requests;

/// <summary>The fields that a kind of request knows: a line for each says how it is read. JSON null counts as absent.</summary>
internal sealed class FieldTable<T> : IEnumerable<KeyValuePair<string, Action<T, JsonValue>>>
    where T : class
{
    private readonly Dictionary<string, Action<T, JsonValue>> _fields = new(StringComparer.Ordinal);

    public void Add(string name, Action<T, JsonValue> read) => _fields.Add(name, read);

    /// <summary>Takes over the fields that another table has and this one has not.</summary>
    public FieldTable<T> Include<TBase>(FieldTable<TBase> other)
        where TBase : class
    {
        foreach ((string name, Action<TBase, JsonValue> read) in other)
        {
            _fields.TryAdd(name, (target, value) => read((TBase)(object)target, value));
        }

        return this;
    }

    /// <summary>Reads an object's fields into <paramref name="target"/>.</summary>
    /// <param name="body">The object.</param>
    /// <param name="target">What is filled.</param>
    /// <param name="unknown">Hears of fields without a line.</param>
    /// <param name="known">Hears of those that said something.</param>
    public void Read(JsonValue body, T target, Action<string>? unknown = null, Action<string>? known = null)
    {
        foreach ((string name, JsonValue value) in body.Members())
        {
            if (!_fields.TryGetValue(name, out Action<T, JsonValue>? read))
            {
                unknown?.Invoke(name);
            }
            else if (!value.IsNull)
            {
                known?.Invoke(name);
                read(target, value);
            }
        }
    }

    public IEnumerator<KeyValuePair<string, Action<T, JsonValue>>> GetEnumerator() => _fields.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>Reads bodies.</summary>
internal static class RequestBody
{
    /// <summary>Parses a body, whatever its content type says, as vLLM does.</summary>
    public static async Task<JsonDocument> ParseAsync(HttpContext context)
    {
        JsonDocument document;
        try
        {
            // No token: Kestrel ends a read with its connection, and does not recover from one that a token called off.
            document = await JsonDocument.ParseAsync(context.Request.Body, default, CancellationToken.None);
        }
        catch (JsonException e)
        {
            throw ApiException.BadRequest(
                null, $"the body is not valid JSON: line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}: {Reason(e)}", "invalid_json");
        }

        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            document.Dispose();
            throw ApiException.BadRequest(null, "the body must be a JSON object");
        }

        return document;
    }

    // The reader's message ends with the position in its own words, counted from 0.
    private static string Reason(JsonException e)
    {
        int end = e.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return end < 0 ? e.Message : e.Message[..end];
    }
}

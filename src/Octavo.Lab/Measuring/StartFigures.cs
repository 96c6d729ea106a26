using System.Text.Json;

namespace Octavo.Lab.Measuring;

/// <summary>What a fresh process does with a model: how soon it is ready, what it takes, how fast it is at first.
/// </summary>
internal sealed record StartFigures
{
    /// <summary>Seconds from the call that loads to the last packed weight.</summary>
    public required double Loading { get; init; }

    /// <summary>Seconds from the last packed weight until requests are taken.</summary>
    public required double Ready { get; init; }

    /// <summary>Seconds from the first request to its first token.</summary>
    public required double FirstToken { get; init; }

    /// <summary>Bytes that the packed weights take.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>Bytes of the cache's blocks that requests have used.</summary>
    public required long CacheBytes { get; init; }

    /// <summary>Bytes of the process in memory, behind all requests.</summary>
    public required long ResidentBytes { get; init; }

    /// <summary>Tokens a second of each of the loads that followed.</summary>
    public required IReadOnlyList<double> Rates { get; init; }

    /// <summary>What the process may take: <c>1.15 · (weights + used cache) + 150 MB</c>.</summary>
    public double AllowedBytes => (1.15 * (WeightBytes + CacheBytes)) + 150e6;

    /// <summary>Writes the members of a JSON object.</summary>
    public void WriteTo(Utf8JsonWriter json)
    {
        json.WriteNumber("loading_seconds", Loading);
        json.WriteNumber("ready_seconds", Ready);
        json.WriteNumber("first_token_seconds", FirstToken);
        json.WriteNumber("weight_bytes", WeightBytes);
        json.WriteNumber("cache_bytes", CacheBytes);
        json.WriteNumber("resident_bytes", ResidentBytes);
        json.WriteStartArray("tokens_per_second");
        foreach (double rate in Rates)
        {
            json.WriteNumberValue(rate);
        }

        json.WriteEndArray();
    }

    /// <summary>Reads what <see cref="WriteTo"/> wrote.</summary>
    public static StartFigures Read(JsonElement json) => new()
    {
        Loading = json.GetProperty("loading_seconds").GetDouble(),
        Ready = json.GetProperty("ready_seconds").GetDouble(),
        FirstToken = json.GetProperty("first_token_seconds").GetDouble(),
        WeightBytes = json.GetProperty("weight_bytes").GetInt64(),
        CacheBytes = json.GetProperty("cache_bytes").GetInt64(),
        ResidentBytes = json.GetProperty("resident_bytes").GetInt64(),
        Rates = [.. json.GetProperty("tokens_per_second").EnumerateArray().Select(r => r.GetDouble())],
    };
}

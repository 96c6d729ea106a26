using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Lab;

namespace Octavo.Cli.Options;

/// <summary>Settings that <c>octavo tune</c> found and <c>octavo serve --settings</c> reads: a JSON object.</summary>
internal sealed record SettingsFile
{
    public BatchingMode? Batching { get; init; }

    public int? MaxNumSeqs { get; init; }

    public int? MaxNumBatchedTokens { get; init; }

    public double? TargetItlMilliseconds { get; init; }

    public double? TargetTtftMilliseconds { get; init; }

    /// <summary>How much waiting clients get: key in <c>Authorization</c> → weight.</summary>
    public IReadOnlyDictionary<string, double>? ClientWeights { get; init; }

    /// <summary>Reads a file.</summary>
    /// <exception cref="UsageException">It is not there, or a member is unknown or of another kind.</exception>
    public static SettingsFile Read(string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new FormatException("it must hold one JSON object");
            }

            var settings = new SettingsFile();
            foreach (JsonProperty member in document.RootElement.EnumerateObject())
            {
                settings = Set(settings, member);
            }

            return settings;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or FormatException or ArgumentException)
        {
            throw new UsageException($"--settings {path}: {e.Message}");
        }
    }

    /// <summary>The file's text.</summary>
    public string ToJson() => JsonText.Of(json =>
    {
        json.WriteString("batching", Batching == BatchingMode.Fixed ? "fixed" : "adaptive");
        Number("max_num_seqs", MaxNumSeqs);
        Number("max_num_batched_tokens", MaxNumBatchedTokens);
        Number("target_itl_ms", TargetItlMilliseconds);
        Number("target_ttft_ms", TargetTtftMilliseconds);

        void Number(string name, double? value)
        {
            if (value is { } number)
            {
                json.WriteNumber(name, number);
            }
        }
    });

    private static SettingsFile Set(SettingsFile settings, JsonProperty member) => member.Name switch
    {
        "batching" => settings with
        {
            Batching = member.Value.ToString() switch
            {
                "adaptive" => BatchingMode.Adaptive,
                "fixed" => BatchingMode.Fixed,
                var other => throw new FormatException($"batching must be adaptive or fixed; it is '{other}'"),
            },
        },
        "max_num_seqs" => settings with { MaxNumSeqs = Whole(member) },
        "max_num_batched_tokens" => settings with { MaxNumBatchedTokens = Whole(member) },
        "target_itl_ms" => settings with { TargetItlMilliseconds = Number(member) },
        "target_ttft_ms" => settings with { TargetTtftMilliseconds = Number(member) },
        "client_weights" when member.Value.ValueKind == JsonValueKind.Object =>
            settings with { ClientWeights = member.Value.EnumerateObject().ToDictionary(w => w.Name, Number, StringComparer.Ordinal) },
        "client_weights" => throw new FormatException("client_weights must be an object of keys and numbers"),
        _ => throw new FormatException($"'{member.Name}' is unknown; known: batching, max_num_seqs, max_num_batched_tokens, target_itl_ms, target_ttft_ms, client_weights"),
    };

    private static int Whole(JsonProperty member) =>
        member.Value.ValueKind == JsonValueKind.Number && member.Value.TryGetInt32(out int number) && number >= 1
            ? number
            : throw new FormatException($"{member.Name} must be a whole number, at least 1; it is {member.Value.GetRawText()}");

    private static double Number(JsonProperty member) =>
        member.Value.ValueKind == JsonValueKind.Number && member.Value.GetDouble() is > 0 and < 1e9 and var number
            ? number
            : throw new FormatException($"{member.Name} must be a number above 0; it is {member.Value.GetRawText()}");
}

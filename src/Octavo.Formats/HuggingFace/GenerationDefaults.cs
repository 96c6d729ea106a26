using System.Globalization;
using System.Text.Json;

namespace Octavo.Formats;

/// <summary>
/// What a model's authors recommend in <c>generation_config.json</c>; null where they say nothing. Recommendations keep
/// no model from being served: a value that cannot be used is named in <see cref="Notes"/>, and counts as if it were
/// absent.
/// </summary>
public sealed record GenerationDefaults
{
    /// <summary>Divides the logits before sampling.</summary>
    public float? Temperature { get; init; }

    /// <summary>The probability mass that sampling keeps.</summary>
    public float? TopP { get; init; }

    /// <summary>The least probability, relative to the greatest, that sampling keeps.</summary>
    public float? MinP { get; init; }

    /// <summary>Divides (or multiplies) the logits of tokens seen before.</summary>
    public float? RepetitionPenalty { get; init; }

    /// <summary>How many tokens sampling keeps.</summary>
    public int? TopK { get; init; }

    /// <summary>False where the likeliest token is to be taken, whatever else is said about sampling.</summary>
    public bool? DoSample { get; init; }

    /// <summary>How many tokens to generate at most for who does not say; no limit for who does.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>The tokens that end a text; empty where the file says nothing.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>The token that begins a text.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>The token that pads a batch.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>What of the file cannot be used, in words; usually nothing.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    internal static GenerationDefaults Read(ConfigReader config)
    {
        var reader = new Reader(config);
        return new GenerationDefaults
        {
            Temperature = reader.Number("temperature", t => t >= 0, "a number that is 0 (greedy) or more"),
            TopP = reader.Number("top_p", p => p is > 0 and <= 1, "a number above 0 and at most 1 (1 keeps all)"),
            MinP = reader.Number("min_p", p => p is >= 0 and <= 1, "a number from 0 (keeps all) to 1"),
            RepetitionPenalty = reader.Number("repetition_penalty", r => r > 0, "a number above 0 (1 changes nothing)"),
            TopK = reader.Integer("top_k", minimum: -1),
            DoSample = reader.Flag("do_sample"),
            MaxNewTokens = reader.Integer("max_new_tokens", minimum: 1),
            EosTokenIds = reader.Ids("eos_token_id"),
            BosTokenId = reader.Ids("bos_token_id").Cast<int?>().FirstOrDefault(),
            PadTokenId = reader.Ids("pad_token_id").Cast<int?>().FirstOrDefault(),
            Notes = reader.Notes,
        };
    }

    /// <summary>Reads fields, and keeps what is wrong with them for later.</summary>
    private sealed class Reader(ConfigReader config)
    {
        private readonly List<string> _notes = [];

        public IReadOnlyList<string> Notes => _notes;

        public float? Number(string field, Func<float, bool> holds, string expected)
        {
            if (config.Find(field) is not { } value)
            {
                return null;
            }

            float number = value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double wide)
                ? (float)wide
                : float.NaN;
            return float.IsFinite(number) && holds(number) ? number : Refuse<float>(field, expected, value);
        }

        public int? Integer(string field, int minimum)
        {
            if (config.Find(field) is not { } value)
            {
                return null;
            }

            return Whole(value) is { } number && number >= minimum
                ? number
                : Refuse<int>(
                    field, string.Create(CultureInfo.InvariantCulture, $"an integer from {minimum} to {int.MaxValue}"),
                    value);
        }

        public bool? Flag(string field) => config.Find(field) switch
        {
            null => null,
            { ValueKind: JsonValueKind.True } => true,
            { ValueKind: JsonValueKind.False } => false,
            { } value => Refuse<bool>(field, "true or false", value),
        };

        // One id or a list of them; what is none in a list leaves the others as they are.
        public IReadOnlyList<int> Ids(string field)
        {
            if (config.Find(field) is not { } value)
            {
                return [];
            }

            bool isList = value.ValueKind == JsonValueKind.Array;
            List<int> ids = [];
            foreach (JsonElement item in isList ? [.. value.EnumerateArray()] : (JsonElement[])[value])
            {
                if (item.ValueKind == JsonValueKind.Null || Whole(item) == -1)
                {
                    continue;      // both are used to say that there is none
                }

                if (Whole(item) is >= 0 and int id)
                {
                    ids.Add(id);
                }
                else
                {
                    _ = isList
                        ? Refuse<int>("a member of " + field, "a token id", item)
                        : Refuse<int>(field, "a token id or a list of them", item);
                }
            }

            return ids;
        }

        // Python writes 50.0 where somebody computed an integer.
        private static int? Whole(JsonElement value) =>
            value.ValueKind != JsonValueKind.Number ? null
            : value.TryGetInt32(out int number) ? number
            : value.TryGetDouble(out double wide) && double.IsInteger(wide) && Math.Abs(wide) <= int.MaxValue
                ? (int)wide
            : null;

        private T? Refuse<T>(string what, string expected, JsonElement value)
            where T : struct
        {
            string file = Path.GetFileName(config.File);
            _notes.Add($"{file}: {what} is not used: it must be {expected}, but is {ConfigReader.Raw(value)}");
            return null;
        }
    }
}

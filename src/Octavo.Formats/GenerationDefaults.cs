namespace Octavo.Formats;

/// <summary>What a model's authors recommend in <c>generation_config.json</c>; null where they say nothing.</summary>
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

    /// <summary>The most tokens to generate.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>The tokens that end a text; empty where the file says nothing.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>The token that begins a text.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>The token that pads a batch.</summary>
    public int? PadTokenId { get; init; }

    internal static GenerationDefaults Read(ConfigReader config) => new()
    {
        Temperature = Number(config, "temperature", t => t >= 0, "a number that is 0 (greedy) or more"),
        TopP = Number(config, "top_p", p => p is > 0 and <= 1, "a number above 0 and at most 1 (1 keeps all)"),
        MinP = Number(config, "min_p", p => p is >= 0 and <= 1, "a number from 0 (keeps all) to 1"),
        RepetitionPenalty = Number(config, "repetition_penalty", r => r > 0, "a number above 0 (1 changes nothing)"),
        TopK = config.Integer("top_k", minimum: -1),
        MaxNewTokens = config.Integer("max_new_tokens", minimum: 1),
        EosTokenIds = config.Integers("eos_token_id"),
        BosTokenId = config.Integer("bos_token_id"),
        PadTokenId = config.Integer("pad_token_id"),
    };

    // Every request that names no value of its own samples with these, so a bad one is the file's fault, not a request's.
    private static float? Number(ConfigReader config, string field, Func<float, bool> holds, string expected)
    {
        if (config.Number(field) is not { } number)
        {
            return null;
        }

        float value = (float)number;
        return float.IsFinite(value) && holds(value)
            ? value
            : throw config.Invalid(field, $"must be {expected}, but is {CheckpointException.Shorten(config.Find(field)!.Value.GetRawText())}");
    }
}

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
        Temperature = (float?)config.Number("temperature"),
        TopP = (float?)config.Number("top_p"),
        MinP = (float?)config.Number("min_p"),
        RepetitionPenalty = (float?)config.Number("repetition_penalty"),
        TopK = config.Integer("top_k"),
        MaxNewTokens = config.Integer("max_new_tokens"),
        EosTokenIds = config.Integers("eos_token_id"),
        BosTokenId = config.Integer("bos_token_id"),
        PadTokenId = config.Integer("pad_token_id"),
    };
}

namespace Octavo.Text.Tiktoken;

/// <summary>What a file of ranks does not say: how text is cut, and the special tokens.</summary>
internal sealed record TiktokenEncoding(string Expression, IReadOnlyDictionary<string, int> SpecialTokens)
{
    /// <summary>Of GPT-4 and the like. Source: tiktoken's <c>openai_public.py</c>.</summary>
    public const string Cl100k =
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"
        + @"|\s+(?!\S)|\s";

    /// <summary>Of GPT-4o. Source: as above.</summary>
    public const string O200k =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>Of Llama 3.</summary>
    public const string Llama3 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        + @"|\s+(?!\S)|\s+";

    /// <summary>Of Qwen to Qwen 3.</summary>
    public const string Qwen =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        + @"|\s+(?!\S)|\s+";

    /// <summary>Of Qwen 3.5 on.</summary>
    public const string Qwen35 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
        + @"|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly string[] s_qwen35Tokens =
    [
        "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
        "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
        "<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>",
        "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>",
        "<think>", "</think>", "<|audio_start|>", "<|audio_end|>", "<tts_pad>", "<tts_text_bos>", "<tts_text_eod>",
        "<tts_text_bos_single>", "<|audio_pad|>",
    ];

    /// <summary>
    /// The encoding of a file, told by its number of ranks, as published vocabularies have them; cl100k's expression
    /// and no special tokens for any other.
    /// </summary>
    public static TiktokenEncoding Of(int ranks) => ranks switch
    {
        100256 => new(
            Cl100k,
            new Dictionary<string, int>
            {
                ["<|endoftext|>"] = 100257,
                ["<|fim_prefix|>"] = 100258,
                ["<|fim_middle|>"] = 100259,
                ["<|fim_suffix|>"] = 100260,
                ["<|endofprompt|>"] = 100276,
            }),
        199998 => new(
            O200k, new Dictionary<string, int> { ["<|endoftext|>"] = 199999, ["<|endofprompt|>"] = 200018 }),
        128000 => new(Llama3, Numbered(ranks, Llama3Tokens())),
        151643 => new(
            Qwen,
            Numbered(
                ranks,
                ["<|endoftext|>", "<|im_start|>", "<|im_end|>",
                    .. Enumerable.Range(0, 205).Select(i => FormattableString.Invariant($"<|extra_{i}|>"))])),
        248044 => new(Qwen35, Numbered(ranks, s_qwen35Tokens)),
        _ => new(Cl100k, new Dictionary<string, int>()),
    };

    private static IEnumerable<string> Llama3Tokens() =>
    [
        "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>",
        "<|finetune_right_pad_id|>", "<|step_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>",
        "<|eot_id|>", "<|python_tag|>",
        .. Enumerable.Range(2, 245).Select(i => FormattableString.Invariant($"<|reserved_special_token_{i}|>")),
    ];

    private static Dictionary<string, int> Numbered(int first, IEnumerable<string> tokens) =>
        tokens.Index().ToDictionary(t => t.Item, t => first + t.Index);
}

namespace Octavo.Text;

/// <summary>How a text is encoded.</summary>
internal sealed record EncodeOptions
{
    /// <summary>Whether to put the post-processor's tokens (BOS, say) around the result.</summary>
    public bool AddSpecialTokens { get; init; } = true;

    /// <summary>
    /// Whether special tokens spelled out in the text are text; null for what the format's own library does: in
    /// tokenizer.model and tekken.json they are text, else what tokenizer_config.json says
    /// (<c>split_special_tokens</c>). Added tokens that are not special are found either way. Of a conversation's
    /// prompt: null takes those for text that the messages hold, true all, false none.
    /// </summary>
    public bool? SplitSpecialTokens { get; init; }

    /// <summary>Whether <c>truncation</c> and <c>padding</c> of tokenizer.json act.</summary>
    public bool ApplyLengths { get; init; }
}

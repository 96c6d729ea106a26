using Octavo.Text.Decoding;
using Octavo.Text.Pipeline;
using Octavo.Text.Tokens;

namespace Octavo.Text.Files;

/// <summary>What a tokenizer is made of.</summary>
internal sealed record TokenizerParts(
    Vocabulary Vocabulary,
    AddedTokenSplitter RawTokens,
    AddedTokenSplitter NormalizedTokens,
    Normalizer? Normalizer,
    TextStage Stages,
    PostProcessor PostProcessor,
    TokenDecoder Decoder,
    LengthRules Lengths)
{
    /// <summary>
    /// Whether the library whose format it is takes special tokens spelled out in a text for text.
    /// </summary>
    public bool SplitsSpecialTokens { get; init; }

    /// <summary>
    /// The stages for what a conversation holds: the same, but their model makes no special token of it.
    /// </summary>
    public TextStage ConversationStages { get; init; } = Stages;

    /// <summary>Puts a tokenizer together: what its files say, and the tokens beside its model's.</summary>
    public static TokenizerParts Make(
        Dictionary<string, int> vocab,
        IReadOnlyList<AddedToken> added,
        Normalizer? normalizer,
        TextStage stages,
        PostProcessor postProcessor,
        TokenDecoder decoder,
        LengthRules? lengths = null)
    {
        // Of two that are spelled alike the first counts, and special ones come first.
        AddedToken[] ordered = [.. added.OrderByDescending(t => t.Special)];
        return new TokenizerParts(
            new Vocabulary(
                vocab, added, decoder is ByteLevelDecoder, normalizer is null ? null : normalizer.Apply),
            new AddedTokenSplitter(ordered.Where(t => !t.Normalized).Select(t => (t.Content, t))),
            new AddedTokenSplitter(
                ordered.Where(t => t.Normalized).Select(t => (normalizer?.Apply(t.Content) ?? t.Content, t))),
            normalizer,
            stages,
            postProcessor,
            decoder,
            lengths ?? LengthRules.None);
    }
}

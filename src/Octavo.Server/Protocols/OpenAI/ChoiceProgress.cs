using Octavo.Server.Jobs;
using Octavo.Text;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>How far one choice of an answer is.</summary>
internal sealed class ChoiceProgress(int index)
{
    private IncrementalDetokenizer? _offsets;
    private int _textLength;

    /// <summary>Its index in the answer: prompt-major.</summary>
    public int Index { get; } = index;

    public bool Started { get; set; }

    public int NumTokens { get; set; }

    /// <summary>
    /// Where each of a prompt's tokens begins in its text, in code points. Token by token, since what a token is worth
    /// alone says little: a character may take several.
    /// </summary>
    public IEnumerable<int> PromptOffsets(Tokenizer? tokenizer, PreparedPrompt prompt)
    {
        IncrementalDetokenizer? spelled = tokenizer?.CreateDetokenizer([], skipSpecialTokens: false);
        _textLength = prompt.CutTokens.Sum(token => CountCodePoints(spelled?.Append(token)));
        (int start, int count) = prompt.TextTokens.GetOffsetAndLength(prompt.TokenIds.Length);
        for (int i = 0; i < prompt.TokenIds.Length; i++)
        {
            yield return _textLength;
            _textLength += i >= start && i < start + count ? CountCodePoints(spelled?.Append(prompt.TokenIds[i])) : 0;
        }

        // What is generated stands behind the whole text, of which the tokens may be less.
        _textLength = CountCodePoints(prompt.Text);
    }

    /// <summary>Where each of the next tokens begins, in code points; hidden ones take no room.</summary>
    public IEnumerable<int> NextOffsets(
        Tokenizer? tokenizer, ReadOnlyMemory<int> prompt, bool skipSpecialTokens, IEnumerable<int> tokens)
    {
        _offsets ??= tokenizer?.CreateDetokenizer(prompt.Span, skipSpecialTokens);
        foreach (int token in tokens)
        {
            yield return _textLength;
            _textLength += CountCodePoints(_offsets?.Append(token));
        }
    }

    private static int CountCodePoints(string? text) => text is null ? 0 : text.Count(c => !char.IsLowSurrogate(c));
}

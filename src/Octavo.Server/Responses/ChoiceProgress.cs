using Octavo.Text;

namespace Octavo.Server.Responses;

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
    /// Begins to count where each token stands in the text. Token by token, since what a token is worth alone says little:
    /// a character may take several, and special ones may take none.
    /// </summary>
    public void BeginOffsets(Tokenizer? tokenizer, ReadOnlySpan<int> textBefore, bool skipSpecialTokens) =>
        _offsets ??= tokenizer?.CreateDetokenizer(textBefore, skipSpecialTokens);

    /// <summary>Where each of the next tokens begins, in code points.</summary>
    public IEnumerable<int> NextOffsets(IEnumerable<int> tokens)
    {
        foreach (int token in tokens)
        {
            yield return _textLength;
            _textLength += CountCodePoints(_offsets?.Append(token));
        }
    }

    private static int CountCodePoints(string? text) => text is null ? 0 : text.Count(c => !char.IsLowSurrogate(c));
}

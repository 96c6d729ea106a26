using System.Text;
using Octavo.Text.Tokens;

namespace Octavo.Text;

/// <summary>
/// Decodes tokens one at a time. It never emits half a character: bytes that may still become a character are withheld
/// until they are complete, or proven invalid and given as U+FFFD. Not thread-safe; one per generated text.
/// </summary>
internal sealed class IncrementalDetokenizer
{
    // A UTF-8 sequence has at most four bytes, so only the last three before a point can be unfinished there.
    private const int LongestUnfinished = 3;

    private readonly Vocabulary _vocabulary;
    private readonly bool _skipSpecialTokens;
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    // The prompt ended within a character. If what follows does not finish it, its U+FFFD belongs to the prompt.
    private bool _promptUnfinished;

    internal IncrementalDetokenizer(Vocabulary vocabulary, ReadOnlySpan<int> promptIds, bool skipSpecialTokens)
    {
        _vocabulary = vocabulary;
        _skipSpecialTokens = skipSpecialTokens;
        int first = promptIds.Length;
        for (int bytes = 0; first > 0 && bytes < LongestUnfinished; bytes += BytesOf(promptIds[first]).Length)
        {
            first--;
        }

        foreach (int id in promptIds[first..])
        {
            _ = Feed(BytesOf(id), flush: false);
        }

        _promptUnfinished = HoldsBytes();
    }

    /// <summary>The text that this token completes; empty while a character is unfinished.</summary>
    public string Append(int tokenId)
    {
        ReadOnlySpan<byte> bytes = BytesOf(tokenId);
        return bytes.IsEmpty ? "" : WithoutPromptsShare(Feed(bytes, flush: false));
    }

    /// <summary>What is still withheld, which will not be completed any more: U+FFFD, or nothing.</summary>
    public string Flush() => WithoutPromptsShare(Feed([], flush: true));

    private ReadOnlySpan<byte> BytesOf(int id) =>
        _skipSpecialTokens && _vocabulary.IsSpecial(id) ? default : _vocabulary.BytesOf(id);

    private string Feed(ReadOnlySpan<byte> bytes, bool flush)
    {
        int most = Encoding.UTF8.GetMaxCharCount(bytes.Length + LongestUnfinished);
        Span<char> chars = most <= 256 ? stackalloc char[256] : new char[most];
        return chars[.._decoder.GetChars(bytes, chars, flush)].ToString();
    }

    /// <summary>Whether flushing now would give something; leaves the decoder as it was.</summary>
    private bool HoldsBytes() => _decoder.GetCharCount([], flush: true) > 0;

    private string WithoutPromptsShare(string text)
    {
        if (!_promptUnfinished || text.Length == 0)
        {
            return text;
        }

        _promptUnfinished = false;
        return text[0] == '\uFFFD' ? text[1..] : text;
    }
}

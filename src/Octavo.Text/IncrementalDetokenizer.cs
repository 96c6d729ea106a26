using System.Text;
using Octavo.Text.Decoding;
using Octavo.Text.Tokens;

namespace Octavo.Text;

/// <summary>
/// Decodes tokens one at a time. It never emits what later tokens may still change: half a character, say, is withheld
/// until it is complete, or proven invalid and given as U+FFFD. Not thread-safe; one per generated text.
/// </summary>
internal abstract class IncrementalDetokenizer
{
    /// <summary>The text that this token completes; empty while a character is unfinished.</summary>
    public abstract string Append(int tokenId);

    /// <summary>What is still withheld, which will not be changed any more.</summary>
    public abstract string Flush();
}

/// <summary>For tokens whose bytes are joined: withheld are at most the bytes of one unfinished character.</summary>
internal sealed class ByteDetokenizer : IncrementalDetokenizer
{
    // A UTF-8 sequence has at most four bytes, so only the last three before a point can be unfinished there.
    private const int LongestUnfinished = 3;

    private readonly Vocabulary _vocabulary;
    private readonly bool _skipSpecialTokens;
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    // The prompt ended within a character. If what follows does not finish it, its U+FFFD belongs to the prompt.
    private bool _promptUnfinished;

    public ByteDetokenizer(Vocabulary vocabulary, ReadOnlySpan<int> promptIds, bool skipSpecialTokens)
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

    public override string Append(int tokenId)
    {
        ReadOnlySpan<byte> bytes = BytesOf(tokenId);
        return bytes.IsEmpty ? "" : WithoutPromptsShare(Feed(bytes, flush: false));
    }

    public override string Flush() => WithoutPromptsShare(Feed([], flush: true));

    private ReadOnlySpan<byte> BytesOf(int id) =>
        _skipSpecialTokens && _vocabulary.IsHidden(id) ? default : _vocabulary.BytesOf(id);

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

/// <summary>For any decoder: its steps, as streams.</summary>
internal sealed class StreamDetokenizer : IncrementalDetokenizer
{
    // No decoder looks further back than the bytes of one unfinished character and the token before them.
    private const int PromptTokens = 8;

    private readonly Vocabulary _vocabulary;
    private readonly bool _skipSpecialTokens;
    private readonly TextSink _text = new();
    private readonly DecoderStream _stream;

    public StreamDetokenizer(
        Vocabulary vocabulary, TokenDecoder decoder, ReadOnlySpan<int> promptIds, bool skipSpecialTokens)
    {
        (_vocabulary, _skipSpecialTokens) = (vocabulary, skipSpecialTokens);
        _stream = decoder.Open(_text);
        int first = promptIds.Length;
        for (int kept = 0; first > 0 && kept < PromptTokens; kept += TokenOf(promptIds[first]) is null ? 0 : 1)
        {
            first--;
        }

        foreach (int id in promptIds[first..])
        {
            Feed(id);
        }

        _stream.EndPrompt();
        _ = _text.Take();
    }

    public override string Append(int tokenId)
    {
        Feed(tokenId);
        return _text.Take();
    }

    public override string Flush()
    {
        _stream.End();
        return _text.Take();
    }

    private string? TokenOf(int id) =>
        _skipSpecialTokens && _vocabulary.IsHidden(id) ? null : _vocabulary.TokenOf(id);

    private void Feed(int id)
    {
        if (TokenOf(id) is { } token)
        {
            _stream.Write(token, ends: true);
        }
    }

    /// <summary>The end of the chain.</summary>
    private sealed class TextSink : DecoderStream
    {
        private readonly StringBuilder _text = new();

        public string Take()
        {
            string text = _text.ToString();
            _text.Clear();
            return text;
        }

        public override void Write(string fragment, bool ends) => _text.Append(fragment);

        public override void End()
        {
        }

        public override void EndPrompt()
        {
        }
    }
}

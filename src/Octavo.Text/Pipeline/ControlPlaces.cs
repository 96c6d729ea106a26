using System.Text;
using Octavo.Text.Prompts;

namespace Octavo.Text.Pipeline;

/// <summary>Where in a text special tokens stand for themselves; elsewhere they are text.</summary>
internal readonly struct ControlPlaces
{
    // How much of what goes before decides what normalization makes of a part: a combining mark's base, a blank.
    private const int Context = 16;

    private readonly bool _everywhere;
    private readonly TextSpans? _spans;

    private ControlPlaces(bool everywhere, TextSpans? spans) => (_everywhere, _spans) = (everywhere, spans);

    /// <summary>All of a text, whoever wrote it.</summary>
    public static ControlPlaces Everywhere { get; } = new(true, null);

    public static ControlPlaces Nowhere { get; } = new(false, null);

    /// <summary>Only where all of a token lies in one of the spans.</summary>
    public static ControlPlaces Within(TextSpans spans) => new(false, spans);

    /// <summary>Whether some of the text is a conversation's, which must become no special token.</summary>
    public bool HoldsConversation => _spans is not null;

    public bool Allow(int start, int end) => _spans?.Contain(start, end) ?? _everywhere;

    /// <summary>Whether some of a stretch lies in one of the spans.</summary>
    public bool Touch(int start, int end) => _spans?.NextFrom(start) < end;

    /// <summary>
    /// Where to look for the next token behind the beginning of one that is none here: behind its end, unless one that
    /// is allowed could begin in it.
    /// </summary>
    public int After(int start, int end) => _spans is null ? end : Math.Min(end, _spans.NextFrom(start + 1));

    /// <summary>The same places in a part of the text, once that is normalized.</summary>
    /// <param name="text">The text.</param>
    /// <param name="range">The part.</param>
    /// <param name="normalizer">What normalizes it; null for nothing.</param>
    /// <param name="normalized">What that makes of the part.</param>
    public ControlPlaces InPart(string text, Range range, Normalizer? normalizer, string normalized)
    {
        if (_spans is null)
        {
            return this;
        }

        (int start, int length) = range.GetOffsetAndLength(text.Length);
        TextSpans part = new();
        part.AddFrom(_spans, start, start + length, 0);
        return normalizer is null
            ? Within(part)
            : Normalized(text.Substring(start, length), part, normalizer, normalized) is { } places
                ? Within(places)
                : Nowhere;
    }

    /// <summary>
    /// Where the spans of a text come to lie by normalization: it is done piece by piece, and where the pieces do not
    /// make the whole, nothing can be told.
    /// </summary>
    private static TextSpans? Normalized(string text, TextSpans spans, Normalizer normalizer, string expected)
    {
        StringBuilder joined = new(expected.Length);
        TextSpans result = new();
        int done = 0;
        foreach ((int start, int end) in spans.All)
        {
            Append(start);
            int from = joined.Length;
            Append(end);
            result.Add(from, joined.Length);
        }

        Append(text.Length);
        return joined.Equals(expected) ? result : null;

        void Append(int end)
        {
            int from = Math.Max(0, done - Context);
            from -= from > 0 && char.IsLowSurrogate(text[from]) ? 1 : 0;
            string before = from == done ? string.Empty : normalizer.Apply(text[from..done]);
            string both = from == end ? string.Empty : normalizer.Apply(text[from..end]);
            joined.Append(both.AsSpan(Math.Min(before.Length, both.Length)));
            done = end;
        }
    }
}

using System.Text;
using Octavo.Text;

namespace Octavo.Engine.Output;

/// <summary>
/// What a completion has said, as text: whole, which decides where it ends, and as its reader sees it, without special
/// tokens. Stop texts are looked for in the whole, so that what is hidden from the reader still counts.
/// </summary>
internal sealed class OutputText
{
    private readonly IncrementalDetokenizer? _detokenizer;       // of what is shown
    private readonly IncrementalDetokenizer? _wholeDetokenizer;  // null where the two are the same
    private readonly StringBuilder _shown = new();
    private readonly StringBuilder _whole;                       // the same object where nothing can be hidden
    // How long both were behind each token, where they differ.
    private readonly List<(int Whole, int Shown)> _ends = [];
    private readonly StopStrings _stops;
    // Characters of the whole that were there before the newest token.
    private int _searched;

    /// <summary>Begins behind a prompt.</summary>
    /// <param name="tokenizer">Null gives no text.</param>
    /// <param name="promptTokenIds">A character that it leaves unfinished may be finished by the first tokens.</param>
    /// <param name="parameters">What ends it and what is shown.</param>
    public OutputText(Tokenizer? tokenizer, ReadOnlySpan<int> promptTokenIds, SamplingParams parameters)
    {
        _stops = new StopStrings(parameters.Stop);
        _whole = _shown;
        if (tokenizer is null || !parameters.Detokenize)
        {
            return;
        }

        _detokenizer = tokenizer.CreateDetokenizer(promptTokenIds, parameters.SkipSpecialTokens);
        if (parameters.SkipSpecialTokens && parameters.Stop.Count > 0)
        {
            _wholeDetokenizer = tokenizer.CreateDetokenizer(promptTokenIds, skipSpecialTokens: false);
            _whole = new StringBuilder();
        }
    }

    /// <summary>Characters that are shown, those withheld among them.</summary>
    public int Length => _shown.Length;

    /// <summary>True where a token has been hidden.</summary>
    public bool HidesAnything => _whole.Length != _shown.Length;

    /// <summary>Adds a token's text.</summary>
    public void Append(int token)
    {
        _searched = _whole.Length;
        _shown.Append(_detokenizer?.Append(token));
        if (_wholeDetokenizer is not null)
        {
            _whole.Append(_wholeDetokenizer.Append(token));
            _ends.Add((_whole.Length, _shown.Length));
        }
    }

    /// <summary>
    /// Notes that a token has no text here, so that stop texts are not looked for again in what was there before.
    /// </summary>
    public void AppendNothing() => _searched = _whole.Length;

    /// <summary>Adds what was withheld until a character would be whole.</summary>
    public void Flush() => _shown.Append(_detokenizer?.Flush());

    /// <summary>Ends the text where a stop text begins that the newest token has completed.</summary>
    /// <param name="keep">Whether the stop text stays.</param>
    /// <param name="stop">The stop text.</param>
    public bool TryStop(bool keep, out string stop)
    {
        if (!_stops.TryFind(_whole, _searched, out int index, out stop))
        {
            return false;
        }

        _shown.Length = ShownAt(index);
        _shown.Append(keep ? stop : null);
        return true;
    }

    /// <summary>How many characters at the end of what is shown may yet turn out to belong to a stop text.</summary>
    public int CountWithheld() => _shown.Length - ShownAt(_whole.Length - _stops.CountWithheld(_whole));

    /// <summary>A part of what is shown.</summary>
    public string Substring(int start, int length) => _shown.ToString(start, length);

    /// <summary>Where in what is shown a place in the whole lies; of a hidden token, where it would stand.</summary>
    private int ShownAt(int index)
    {
        if (_wholeDetokenizer is null)
        {
            return index;
        }

        // The end of a long text is what is asked for.
        int token = _ends.Count;
        while (token > 0 && _ends[token - 1].Whole > index)
        {
            token--;
        }

        (int whole, int shown) = token == 0 ? (0, 0) : _ends[token - 1];
        int end = token < _ends.Count ? _ends[token].Shown : _shown.Length;
        return Math.Min(shown + (index - whole), end);
    }
}

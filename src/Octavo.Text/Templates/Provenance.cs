using System.Text;
using Octavo.Text.Prompts;

namespace Octavo.Text.Templates;

/// <summary>
/// Which characters of a run's texts the template itself wrote. Of a text that is not known here the conversation wrote
/// all, so that an operation that knows nothing of this gives what is safe. Texts are told apart by reference: each one
/// here was made for this run, or by the template's parser, and no value of a conversation can be the same object.
/// </summary>
internal sealed class Provenance
{
    private readonly Dictionary<string, TextSpans> _own = new(ReferenceEqualityComparer.Instance);

    /// <summary>The parts of a text that the template wrote; null for none.</summary>
    public TextSpans? Of(string text) => _own.GetValueOrDefault(text);

    /// <summary>Notes who wrote what of a text that nobody else has seen.</summary>
    public void Note(string text, TextSpans own)
    {
        if (!own.IsEmpty)
        {
            _own.TryAdd(text, own);
        }
    }

    /// <summary>Notes who wrote what of a text that is another, repeated.</summary>
    public void NoteRepeated(string repeated, string text)
    {
        if (Of(text) is not { } own)
        {
            return;
        }

        bool whole = own.Contain(0, text.Length);
        TextSpans all = whole ? TextSpans.Whole(repeated.Length) : new TextSpans();
        for (int at = 0; !whole && at < repeated.Length; at += text.Length)
        {
            all.AddFrom(own, 0, text.Length, at);
        }

        Note(repeated, all);
    }

    /// <summary>A copy that counts as the template's.</summary>
    public string Adopt(string text)
    {
        string copy = new(text.AsSpan());
        Note(copy, TextSpans.Whole(copy.Length));
        return copy;
    }
}

/// <summary>Joins texts and keeps who wrote what.</summary>
internal sealed class TextJoiner(Provenance provenance)
{
    private readonly StringBuilder _text = new();
    private readonly TextSpans _own = new();

    public int Length => _text.Length;

    /// <summary>Adds a text.</summary>
    public TextJoiner Append(string text) => Append(text, 0, text.Length);

    /// <summary>Adds a part of a text.</summary>
    public TextJoiner Append(string text, int start, int count)
    {
        if (provenance.Of(text) is { } own)
        {
            _own.AddFrom(own, start, start + count, _text.Length);
        }

        _text.Append(text, start, count);
        return this;
    }

    /// <summary>Adds a text of the template's.</summary>
    public void AppendOwn(string text)
    {
        _own.Add(_text.Length, _text.Length + text.Length);
        _text.Append(text);
    }

    /// <summary>All of it, noted.</summary>
    public override string ToString()
    {
        string text = _text.ToString();
        provenance.Note(text, _own);
        return text;
    }

    /// <summary>All of it with the template's parts.</summary>
    public RenderedPrompt ToPrompt() => new(_text.ToString(), _own);
}

namespace Octavo.Text.Models;

/// <summary>Turns one piece of text into ids. Immutable: one instance serves all threads.</summary>
internal abstract class TextModel
{
    /// <summary>Appends the ids of one piece, which must be well-formed UTF-16 and not empty.</summary>
    public abstract void Encode(ReadOnlySpan<char> piece, List<int> ids);
}

namespace Octavo.Text.Models;

/// <summary>Turns one piece of text into ids. Immutable: one instance serves all threads.</summary>
internal abstract class TextModel
{
    /// <summary>Appends the ids of one piece, which must be well-formed UTF-16 and not empty.</summary>
    public abstract void Encode(ReadOnlySpan<char> piece, List<int> ids);

    /// <summary>
    /// Makes the same for text that must not become some of its tokens; null where a token is only found by its merges,
    /// of which special tokens have none.
    /// </summary>
    public virtual Func<TextModel>? Without(IReadOnlySet<string> tokens) => null;

    protected static Dictionary<string, int> Except(Dictionary<string, int> vocab, IReadOnlySet<string> tokens) =>
        new(vocab.Where(t => !tokens.Contains(t.Key)), StringComparer.Ordinal);
}

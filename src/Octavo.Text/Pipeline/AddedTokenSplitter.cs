using System.Buffers;
using System.Text;
using Octavo.Text.Tokens;

namespace Octavo.Text.Pipeline;

/// <summary>A run of text, or the added token that stood in it.</summary>
internal readonly record struct AddedTokenSpan(int Start, int End, int Id)
{
    /// <summary>The <see cref="Id"/> of a run of plain text.</summary>
    public const int PlainText = -1;
}

/// <summary>
/// Cuts added tokens out of text: the leftmost match, and of those the longest, by a trie over UTF-16 units.
/// </summary>
internal sealed class AddedTokenSplitter
{
    private readonly Node _root = new();
    private readonly SearchValues<char> _firstChars;

    /// <summary>A splitter for the given tokens, each with the text to look for.</summary>
    public AddedTokenSplitter(IEnumerable<(string Text, AddedToken Token)> tokens)
    {
        foreach ((string text, AddedToken token) in tokens)
        {
            if (text.Length == 0)
            {
                continue;
            }

            Node node = _root;
            foreach (char c in text)
            {
                if (!node.Next.TryGetValue(c, out Node? child))
                {
                    child = new Node();
                    node.Next.Add(c, child);
                }

                node = child;
            }

            node.Token ??= token;
        }

        _firstChars = SearchValues.Create([.. _root.Next.Keys]);
    }

    public bool IsEmpty => _root.Next.Count == 0;

    /// <summary>
    /// The tokens and the text between them, in order, covering <paramref name="text"/>; special ones are found only
    /// where they may stand.
    /// </summary>
    public List<AddedTokenSpan> Split(ReadOnlySpan<char> text, ControlPlaces special)
    {
        List<AddedTokenSpan> spans = [];
        int done = 0;
        int search = 0;
        while (FindNext(text, special, ref search, out int start, out AddedToken? token))
        {
            int end = search;
            if (token.SingleWord && (EndsWithWord(text[..start]) || StartsWithWord(text[end..])))
            {
                continue;
            }

            // Blanks that an earlier token has taken stay with it.
            start = token.LStrip ? Math.Max(done, text[..start].TrimEnd().Length) : start;
            end = token.RStrip ? text.Length - text[end..].TrimStart().Length : end;
            if (start > done)
            {
                spans.Add(new AddedTokenSpan(done, start, AddedTokenSpan.PlainText));
            }

            spans.Add(new AddedTokenSpan(start, end, token.Id));
            done = end;
        }

        if (done < text.Length)
        {
            spans.Add(new AddedTokenSpan(done, text.Length, AddedTokenSpan.PlainText));
        }

        return spans;
    }

    private bool FindNext(
        ReadOnlySpan<char> text,
        ControlPlaces special,
        ref int search,
        out int start,
        [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out AddedToken? token)
    {
        token = null;
        start = search;
        while (start < text.Length)
        {
            int skip = text[start..].IndexOfAny(_firstChars);
            if (skip < 0)
            {
                break;
            }

            start += skip;
            int refused = start;
            Node? node = _root;
            for (int i = start; i < text.Length && node.Next.TryGetValue(text[i], out node); i++)
            {
                if (node.Token is { } found)
                {
                    if (!found.Special || special.Allow(start, i + 1))
                    {
                        token = found;
                        search = i + 1;
                    }
                    else
                    {
                        refused = i + 1;
                    }
                }
            }

            // The longest that is refused is passed over whole, as in the tokenizers library; but where some of it is
            // the template's, that must not hide a token of the template's.
            if (token is not null && (search > refused || special.Touch(start, refused)))
            {
                return true;
            }

            token = null;
            start = refused > start ? special.After(start, refused) : start + 1;
        }

        return false;
    }

    private static bool StartsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && CharacterClasses.IsWord(rune);

    private static bool EndsWithWord(ReadOnlySpan<char> text) =>
        Rune.DecodeLastFromUtf16(text, out Rune rune, out _) == OperationStatus.Done && CharacterClasses.IsWord(rune);

    private sealed class Node
    {
        public Dictionary<char, Node> Next { get; } = [];

        public AddedToken? Token { get; set; }
    }
}

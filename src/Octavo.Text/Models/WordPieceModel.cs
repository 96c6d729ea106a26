namespace Octavo.Text.Models;

/// <summary>
/// A word as its longest token, then the longest that continues it, and so on; where one step finds none, the whole
/// word is the unknown token. Source: BERT's <c>tokenization.py</c>.
/// </summary>
internal sealed class WordPieceModel(
    Dictionary<string, int> vocab, int unknown, string continuingPrefix, int maxCharsPerWord) : TextModel
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _tokens =
        vocab.GetAlternateLookup<ReadOnlySpan<char>>();

    private readonly int _longest = vocab.Keys.Max(t => t.Length);

    public override Func<TextModel> Without(IReadOnlySet<string> tokens) =>
        () => new WordPieceModel(Except(vocab, tokens), unknown, continuingPrefix, maxCharsPerWord);

    public override void Encode(ReadOnlySpan<char> piece, List<int> ids)
    {
        if (piece.Length > maxCharsPerWord && CodePoints(piece) > maxCharsPerWord)
        {
            ids.Add(unknown);
            return;
        }

        int first = ids.Count;
        char[] spelled = new char[continuingPrefix.Length + piece.Length];
        continuingPrefix.CopyTo(spelled);
        piece.CopyTo(spelled.AsSpan(continuingPrefix.Length));
        int start = 0;
        while (start < piece.Length)
        {
            // A token that continues a word has the prefix before it; what lies there is no longer needed.
            int from = start == 0 ? continuingPrefix.Length : start;
            if (start > 0)
            {
                continuingPrefix.CopyTo(spelled.AsSpan(start));
            }

            int length = LongestAt(spelled.AsSpan(from), start > 0 ? continuingPrefix.Length : 0, out int id);
            if (length == 0)
            {
                ids.RemoveRange(first, ids.Count - first);
                ids.Add(unknown);
                return;
            }

            ids.Add(id);
            start += length;
        }
    }

    private int LongestAt(ReadOnlySpan<char> text, int prefix, out int id)
    {
        for (int end = Math.Min(text.Length, _longest); end > prefix; end--)
        {
            if (_tokens.TryGetValue(text[..end], out id))
            {
                return end - prefix;
            }
        }

        id = unknown;
        return 0;
    }

    private static int CodePoints(ReadOnlySpan<char> text)
    {
        int count = 0;
        foreach (char c in text)
        {
            count += char.IsLowSurrogate(c) ? 0 : 1;
        }

        return count;
    }
}

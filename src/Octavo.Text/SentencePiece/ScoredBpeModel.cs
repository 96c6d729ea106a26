using Octavo.Text.Models;

namespace Octavo.Text.SentencePiece;

/// <summary>
/// Byte-pair encoding as sentencepiece does it: two neighbours merge where what they spell is a piece, that of the
/// highest score first, leftmost among equals. User-defined pieces are whole from the start and do not merge.
/// </summary>
internal sealed class ScoredBpeModel : TextModel
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids;
    private readonly IReadOnlyList<Piece> _pieces;
    private readonly PieceTrie? _userDefined;
    private readonly int _unknown;
    private readonly ByteTokens? _bytes;
    private readonly int _longest;

    /// <summary>A model.</summary>
    /// <param name="ids">The pieces that text may be cut into, unused ones too, and their ids.</param>
    /// <param name="pieces">All pieces, by id.</param>
    /// <param name="userDefined">Those that text is cut at first; null for none.</param>
    /// <param name="unknown">The id of the unknown piece.</param>
    /// <param name="bytes">The pieces of bytes, where unknown characters are spelled out.</param>
    public ScoredBpeModel(
        Dictionary<string, int> ids,
        IReadOnlyList<Piece> pieces,
        PieceTrie? userDefined,
        int unknown,
        ByteTokens? bytes)
    {
        _ids = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        _longest = ids.Keys.Max(k => k.Length);
        (_pieces, _userDefined, _unknown, _bytes) = (pieces, userDefined, unknown, bytes);
    }

    // A symbol is text[Start..End]; merged into its neighbour, it is empty.
    private record struct Symbol(int Start, int End, int Previous, int Next, bool Frozen)
    {
        public readonly int Length => End - Start;
    }

    // A pair that may merge; stale where the two do not add up to its length any more.
    private readonly record struct Candidate(int Left, int Right, int Length);

    public override void Encode(ReadOnlySpan<char> piece, List<int> ids)
    {
        Symbol[] symbols = Cut(piece);
        PriorityQueue<Candidate, long> candidates = new(symbols.Length);
        Dictionary<string, int> unusedSplits = new(StringComparer.Ordinal); // piece → length of its left part
        for (int i = 1; i < symbols.Length; i++)
        {
            Consider(piece, symbols, i - 1, i, candidates, unusedSplits);
        }

        while (candidates.TryDequeue(out Candidate pair, out _))
        {
            ref Symbol left = ref symbols[pair.Left];
            ref Symbol right = ref symbols[pair.Right];
            if (left.Length == 0 || right.Length == 0 || left.Length + right.Length != pair.Length)
            {
                continue;
            }

            left.End = right.End;
            left.Next = right.Next;
            right.Start = right.End;
            if (left.Next >= 0)
            {
                symbols[left.Next].Previous = pair.Left;
                Consider(piece, symbols, pair.Left, left.Next, candidates, unusedSplits);
            }

            if (left.Previous >= 0)
            {
                Consider(piece, symbols, left.Previous, pair.Left, candidates, unusedSplits);
            }
        }

        Output output = new(this, ids, unusedSplits);
        for (int i = 0; i >= 0 && i < symbols.Length; i = symbols[i].Next)
        {
            output.Append(piece[symbols[i].Start..symbols[i].End]);
        }
    }

    // The highest score first, then leftmost, as one number, which compares faster than a pair: a float's bits are in
    // the order of its value once those of negative ones are turned around; adding 0 makes one of the two zeros.
    private static long PriorityOf(float score, int left)
    {
        int bits = BitConverter.SingleToInt32Bits(0f - score);
        return ((long)(bits ^ ((bits >> 31) & int.MaxValue)) << 32) | (uint)left;
    }

    private Symbol[] Cut(ReadOnlySpan<char> text)
    {
        List<Symbol> symbols = new(text.Length);
        int position = 0;
        while (position < text.Length)
        {
            int whole = _userDefined?.Longest(text[position..], out _) ?? 0;
            int length = whole > 0 ? whole : char.IsHighSurrogate(text[position]) ? 2 : 1;
            symbols.Add(
                new Symbol(position, position + length, symbols.Count - 1, symbols.Count + 1, Frozen: whole > 0));
            position += length;
        }

        if (symbols.Count > 0)
        {
            symbols[^1] = symbols[^1] with { Next = -1 };
        }

        return [.. symbols];
    }

    private void Consider(
        ReadOnlySpan<char> text,
        Symbol[] symbols,
        int left,
        int right,
        PriorityQueue<Candidate, long> candidates,
        Dictionary<string, int> unusedSplits)
    {
        Symbol first = symbols[left];
        Symbol second = symbols[right];
        int length = second.End - first.Start;
        if (first.Frozen || second.Frozen || length > _longest
            || !_ids.TryGetValue(text.Slice(first.Start, length), out int id))
        {
            return;
        }

        candidates.Enqueue(new Candidate(left, right, length), PriorityOf(_pieces[id].Score, left));
        if (_pieces[id].Type == PieceType.Unused)
        {
            unusedSplits[_pieces[id].Text] = first.Length;
        }
    }

    /// <summary>Symbols become ids; unused pieces are taken apart again, and unknown ones in a row are one.</summary>
    private struct Output(ScoredBpeModel model, List<int> ids, Dictionary<string, int> unusedSplits)
    {
        private bool _afterUnknown;

        public void Append(ReadOnlySpan<char> symbol)
        {
            if (!model._ids.TryGetValue(symbol, out int id))
            {
                if (model._bytes?.TryEncode(symbol, ids) is not true)
                {
                    AppendUnknown();
                }

                return;
            }

            if (model._pieces[id].Type == PieceType.Unused
                && unusedSplits.TryGetValue(symbol.ToString(), out int left))
            {
                Append(symbol[..left]);
                Append(symbol[left..]);
                return;
            }

            ids.Add(id);
            _afterUnknown = false;
        }

        private void AppendUnknown()
        {
            if (!_afterUnknown)
            {
                ids.Add(model._unknown);
            }

            _afterUnknown = true;
        }
    }
}

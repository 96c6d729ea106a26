using System.Buffers;

namespace Octavo.Text.Models;

/// <summary>What a Unigram vocabulary is read into.</summary>
/// <param name="Pieces">Each piece that text may be cut into, and its id.</param>
/// <param name="Scores">The score of a piece (its log-probability) by id.</param>
/// <param name="Unknown">The id of the unknown token.</param>
/// <param name="UnknownScore">What a character costs that no piece covers.</param>
internal sealed record UnigramVocabulary(
    Dictionary<string, int> Pieces, double[] Scores, int Unknown, double UnknownScore);

/// <summary>
/// The cut of a text into pieces whose scores add up to most, by the Viterbi algorithm. A run of unknown characters is
/// one unknown token, or its bytes. Source: Kudo, 2018 (arXiv:1804.10959).
/// </summary>
/// <param name="vocabulary">The pieces and their scores.</param>
/// <param name="bytes">The tokens of bytes, where unknown characters are spelled out.</param>
/// <param name="asSentencePiece">
/// Whether sums are rounded to single precision and a run of unknown characters is never a piece, as in sentencepiece
/// itself; the tokenizers library differs in both.
/// </param>
internal sealed class UnigramModel(UnigramVocabulary vocabulary, ByteTokens? bytes, bool asSentencePiece) : TextModel
{
    private readonly PieceTrie _trie = new(vocabulary.Pieces);

    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _pieces =
        vocabulary.Pieces.GetAlternateLookup<ReadOnlySpan<char>>();

    // The best way to come to a place in the text: the last piece, where that begins, and the score so far.
    private record struct Arrival(int Start, int Id, double Score);

    public override void Encode(ReadOnlySpan<char> piece, List<int> ids)
    {
        Arrival[] rented = ArrayPool<Arrival>.Shared.Rent(piece.Length + 1);
        List<(int Start, int End, int Id)> cuts = [];
        try
        {
            Span<Arrival> best = rented.AsSpan(0, piece.Length + 1);
            best.Fill(new Arrival(-1, 0, 0));
            Forward(piece, best);
            Backward(best, cuts);
        }
        finally
        {
            ArrayPool<Arrival>.Shared.Return(rented);
        }

        foreach ((int start, int end, int id) in cuts)
        {
            Append(piece[start..end], id, ids);
        }
    }

    public override Func<TextModel> Without(IReadOnlySet<string> tokens) => () => new UnigramModel(
        vocabulary with { Pieces = Except(vocabulary.Pieces, tokens) }, bytes, asSentencePiece);

    private void Forward(ReadOnlySpan<char> text, Span<Arrival> best)
    {
        int position = 0;
        while (position < text.Length)
        {
            int character = char.IsHighSurrogate(text[position]) ? 2 : 1;
            double here = best[position].Score;
            bool covered = false;
            int node = PieceTrie.Root;
            for (int i = position; i < text.Length && _trie.TryStep(ref node, text[i], out int id); i++)
            {
                if (id >= 0)
                {
                    Offer(ref best[i + 1], position, id, here, vocabulary.Scores[id]);
                    covered |= i + 1 - position == character;
                }
            }

            if (!covered)
            {
                Offer(
                    ref best[position + character], position, vocabulary.Unknown, here, vocabulary.UnknownScore);
            }

            position += character;
        }
    }

    private void Offer(ref Arrival at, int start, int id, double before, double score)
    {
        double sum = before + score;
        if (at.Start < 0 || sum > at.Score)
        {
            at = new Arrival(start, id, asSentencePiece ? (float)sum : sum);
        }
    }

    /// <summary>The pieces in order; unknown ones in a row are one.</summary>
    private void Backward(ReadOnlySpan<Arrival> best, List<(int Start, int End, int Id)> cuts)
    {
        int end = best.Length - 1;
        while (end > 0)
        {
            (int start, int id, _) = best[end];
            if (id == vocabulary.Unknown && cuts.Count > 0 && cuts[^1].Id == id)
            {
                cuts[^1] = cuts[^1] with { Start = start };
            }
            else
            {
                cuts.Add((start, end, id));
            }

            end = start;
        }

        cuts.Reverse();
    }

    private void Append(ReadOnlySpan<char> text, int id, List<int> ids)
    {
        // A run of unknown characters may by chance spell a piece.
        if (id != vocabulary.Unknown || (!asSentencePiece && _pieces.TryGetValue(text, out id)))
        {
            ids.Add(id);
        }
        else if (bytes?.TryEncode(text, ids) is not true)
        {
            ids.Add(vocabulary.Unknown);
        }
    }
}

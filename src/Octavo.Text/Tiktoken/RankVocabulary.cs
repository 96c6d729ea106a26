using Octavo.Text.Bpe;
using Octavo.Text.Models;
using Octavo.Text.Tokens;

namespace Octavo.Text.Tiktoken;

/// <summary>
/// Byte-level BPE given as tokens with ranks, without merges: two neighbours merge where their union is a token, that
/// of the lowest rank first, and a word that is a token is taken whole.
/// </summary>
internal static class RankVocabulary
{
    /// <summary>Makes the model.</summary>
    /// <param name="tokens">The bytes of each token, in the order of their ranks.</param>
    /// <param name="firstId">The id of rank 0.</param>
    /// <exception cref="FormatException">A token comes twice, or a byte has none.</exception>
    public static ModelParts Make(IReadOnlyList<byte[]> tokens, int firstId)
    {
        Dictionary<string, int> vocab = new(tokens.Count, StringComparer.Ordinal);
        for (int rank = 0; rank < tokens.Count; rank++)
        {
            // A rank may be left out.
            if (tokens[rank].Length > 0 && !vocab.TryAdd(ByteAlphabet.Spell(tokens[rank]), firstId + rank))
            {
                throw new FormatException(FormattableString.Invariant($"the token of rank {rank} comes twice"));
            }
        }

        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> ids =
            vocab.GetAlternateLookup<ReadOnlySpan<char>>();
        List<(int Left, int Right, int Merged)> merges = new(tokens.Count * 2);
        foreach ((string token, int id) in vocab)
        {
            for (int cut = 1; cut < token.Length; cut++)
            {
                if (ids.TryGetValue(token.AsSpan(0, cut), out int left)
                    && ids.TryGetValue(token.AsSpan(cut), out int right))
                {
                    merges.Add((left, right, id));
                }
            }
        }

        MergeTable table = new(merges.Count);
        foreach ((int left, int right, int merged) in merges)
        {
            table.Set(left, right, merged, merged);
        }

        for (int value = 0; value < 256; value++)
        {
            if (!vocab.ContainsKey(ByteAlphabet.CharOf((byte)value).ToString()))
            {
                throw new FormatException(FormattableString.Invariant($"the byte {value} has no token"));
            }
        }

        return BpeReader.Make(vocab, table, new BpeSpelling("", "", null, false, null), ignoreMerges: true);
    }
}

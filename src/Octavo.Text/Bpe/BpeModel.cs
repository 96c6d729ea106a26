using System.Buffers;
using System.Text;
using Octavo.Text.Models;
using Octavo.Text.Tokens;

namespace Octavo.Text.Bpe;

/// <summary>
/// Byte-pair encoding of one word over the byte-level alphabet: start from one token per byte, then merge the pair of
/// the lowest rank, leftmost first, until none merges. Source: Sennrich et al., 2016 (arXiv:1508.07909).
/// </summary>
internal sealed class BpeModel : TextModel
{
    // Up to here a scan for the lowest rank beats a heap: it is quadratic, but over a few cache lines.
    private const int LongestScanned = 48;

    private readonly int[] _idOfByte; // -1: the vocabulary has no token for the byte, which is then dropped
    private readonly MergeTable _merges;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>>? _wholeWords;
    private readonly WordCache _cache = new();

    /// <summary>A model over the given tables.</summary>
    /// <param name="vocab">Spelling in the byte-level alphabet → id.</param>
    /// <param name="merges">The merges.</param>
    /// <param name="ignoreMerges">Whether a word that is itself a token is taken whole, whatever the merges
    /// say.</param>
    public BpeModel(Dictionary<string, int> vocab, MergeTable merges, bool ignoreMerges)
    {
        _merges = merges;
        _idOfByte = new int[256];
        for (int value = 0; value < 256; value++)
        {
            _idOfByte[value] = vocab.TryGetValue(ByteAlphabet.CharOf((byte)value).ToString(), out int id) ? id : -1;
        }

        if (ignoreMerges)
        {
            // A copy, because the tokenizer's vocabulary goes on to take in the added tokens.
            _wholeWords = new Dictionary<string, int>(vocab, StringComparer.Ordinal)
                .GetAlternateLookup<ReadOnlySpan<char>>();
        }
    }

    /// <summary>Appends the ids of one word, which must be well-formed UTF-16.</summary>
    public override void Encode(ReadOnlySpan<char> word, List<int> ids)
    {
        if (word.Length > WordCache.MaxWordLength)
        {
            EncodeUncached(word, ids);
            return;
        }

        if (_cache.TryAppend(word, ids, out int slot))
        {
            return;
        }

        int start = ids.Count;
        EncodeUncached(word, ids);
        _cache.Put(slot, word, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(ids)[start..]);
    }

    private void EncodeUncached(ReadOnlySpan<char> word, List<int> ids)
    {
        int most = Encoding.UTF8.GetMaxByteCount(word.Length);
        byte[] rented = ArrayPool<byte>.Shared.Rent(most);
        int[] symbols = ArrayPool<int>.Shared.Rent(most);
        try
        {
            ReadOnlySpan<byte> bytes = rented.AsSpan(0, Encoding.UTF8.GetBytes(word, rented));
            if (TryWholeWord(bytes, out int whole))
            {
                ids.Add(whole);
                return;
            }

            int count = 0;
            foreach (byte value in bytes)
            {
                int id = _idOfByte[value];
                if (id >= 0)
                {
                    symbols[count] = id;
                    count++;
                }
            }

            Span<int> pieces = symbols.AsSpan(0, count);
            count = Merge(pieces, _merges);
            ids.AddRange(pieces[..count]);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
            ArrayPool<int>.Shared.Return(symbols);
        }
    }

    private bool TryWholeWord(ReadOnlySpan<byte> bytes, out int id)
    {
        id = -1;
        if (_wholeWords is not { } words || bytes.Length > 512)
        {
            return false;
        }

        Span<char> spelling = stackalloc char[512];
        for (int i = 0; i < bytes.Length; i++)
        {
            spelling[i] = ByteAlphabet.CharOf(bytes[i]);
        }

        return words.TryGetValue(spelling[..bytes.Length], out id);
    }

    /// <summary>Merges in place and returns how many symbols remain.</summary>
    public static int Merge(Span<int> symbols, MergeTable merges) => symbols.Length <= LongestScanned
        ? MergeByScan(symbols, merges)
        : BpeHeapMerge.Merge(symbols, merges);

    private static int MergeByScan(Span<int> symbols, MergeTable merges)
    {
        int count = symbols.Length;
        Span<int> ranks = stackalloc int[LongestScanned]; // ranks[i]: of the pair (i, i + 1)
        Span<int> merged = stackalloc int[LongestScanned];
        for (int i = 0; i + 1 < count; i++)
        {
            ranks[i] = merges.Find(symbols[i], symbols[i + 1], out merged[i]);
        }

        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i + 1 < count; i++)
            {
                best = ranks[i] < ranks[best] ? i : best;
            }

            if (ranks[best] == int.MaxValue)
            {
                break;
            }

            symbols[best] = merged[best];
            symbols[(best + 2)..count].CopyTo(symbols[(best + 1)..]);
            ranks[(best + 2)..count].CopyTo(ranks[(best + 1)..]);
            merged[(best + 2)..count].CopyTo(merged[(best + 1)..]);
            count--;
            if (best > 0)
            {
                ranks[best - 1] = merges.Find(symbols[best - 1], symbols[best], out merged[best - 1]);
            }

            if (best + 1 < count)
            {
                ranks[best] = merges.Find(symbols[best], symbols[best + 1], out merged[best]);
            }
        }

        return count;
    }
}

using System.Runtime.InteropServices;
using Octavo.Text.Models;

namespace Octavo.Text.Bpe;

/// <summary>How <see cref="CharacterBpeModel"/> spells a word before it merges.</summary>
/// <param name="ContinuingPrefix">Stands before each character but the first.</param>
/// <param name="EndOfWordSuffix">Stands after the last character.</param>
/// <param name="Unknown">The token of a character without one; null where such are dropped.</param>
/// <param name="FuseUnknown">Whether unknown characters in a row are one token.</param>
/// <param name="Bytes">The tokens of bytes, where unknown characters are spelled out.</param>
internal sealed record BpeSpelling(
    string ContinuingPrefix, string EndOfWordSuffix, int? Unknown, bool FuseUnknown, ByteTokens? Bytes);

/// <summary>
/// Byte-pair encoding of one word that starts from a token per character, as sentencepiece's vocabularies and GPT-1's
/// have it. <see cref="BpeModel"/> is the faster one for bytes.
/// </summary>
internal sealed class CharacterBpeModel : TextModel
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _tokens;
    private readonly MergeTable _merges;
    private readonly BpeSpelling _spelling;
    private readonly bool _ignoreMerges;
    private readonly WordCache _cache = new();

    public CharacterBpeModel(
        Dictionary<string, int> vocab, MergeTable merges, BpeSpelling spelling, bool ignoreMerges)
    {
        // A copy, because the tokenizer's vocabulary goes on to take in the added tokens.
        _tokens = new Dictionary<string, int>(vocab, StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
        (_merges, _spelling, _ignoreMerges) = (merges, spelling, ignoreMerges);
    }

    public override void Encode(ReadOnlySpan<char> piece, List<int> ids)
    {
        if (piece.Length > WordCache.MaxWordLength)
        {
            EncodeUncached(piece, ids);
            return;
        }

        if (_cache.TryAppend(piece, ids, out int slot))
        {
            return;
        }

        int start = ids.Count;
        EncodeUncached(piece, ids);
        _cache.Put(slot, piece, CollectionsMarshal.AsSpan(ids)[start..]);
    }

    private void EncodeUncached(ReadOnlySpan<char> word, List<int> ids)
    {
        if (_ignoreMerges && _tokens.TryGetValue(word, out int whole))
        {
            ids.Add(whole);
            return;
        }

        int first = ids.Count;
        Spell(word, ids);
        int kept = BpeModel.Merge(CollectionsMarshal.AsSpan(ids)[first..], _merges);
        ids.RemoveRange(first + kept, ids.Count - first - kept);
    }

    private void Spell(ReadOnlySpan<char> word, List<int> ids)
    {
        bool pendingUnknown = false; // it comes out before the next token that is not made of bytes
        int position = 0;
        while (position < word.Length)
        {
            int length = char.IsHighSurrogate(word[position]) ? 2 : 1;
            ReadOnlySpan<char> character = WithAffixes(word, position, length);
            position += length;
            if (_tokens.TryGetValue(character, out int id))
            {
                if (pendingUnknown)
                {
                    ids.Add(_spelling.Unknown!.Value);
                    pendingUnknown = false;
                }

                ids.Add(id);
            }
            else if (_spelling.Bytes?.TryEncode(character, ids) is not true && _spelling.Unknown is { } unknown)
            {
                if (pendingUnknown && !_spelling.FuseUnknown)
                {
                    ids.Add(unknown);
                }

                pendingUnknown = true;
            }
        }

        if (pendingUnknown)
        {
            ids.Add(_spelling.Unknown!.Value);
        }
    }

    private ReadOnlySpan<char> WithAffixes(ReadOnlySpan<char> word, int position, int length)
    {
        ReadOnlySpan<char> character = word.Slice(position, length);
        string prefix = position > 0 ? _spelling.ContinuingPrefix : "";
        string suffix = position + length == word.Length ? _spelling.EndOfWordSuffix : "";
        return prefix.Length + suffix.Length == 0 ? character : string.Concat(prefix, character, suffix);
    }
}

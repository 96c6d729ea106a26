using Octavo.Text.Json;
using Octavo.Text.Models;
using Octavo.Text.Tokens;

namespace Octavo.Text.Bpe;

/// <summary>Reads a <c>model</c> of the type BPE.</summary>
internal static class BpeReader
{
    public static ModelParts Read(JsonField model, Dictionary<string, int> vocab)
    {
        if (model.Find("dropout") is { } dropout && dropout.AsDouble() != 0)
        {
            throw dropout.Error("dropout is not supported; supported: null");
        }

        string prefix = model.StringOr("continuing_subword_prefix", "");
        BpeSpelling spelling = new(
            prefix,
            model.StringOr("end_of_word_suffix", ""),
            ReadUnknown(model, vocab),
            model.BoolOr("fuse_unk", false),
            model.BoolOr("byte_fallback", false) ? new ByteTokens(vocab) : null);
        MergeTable merges = ReadMerges(model.Require("merges"), vocab, prefix.Length);
        return Make(vocab, merges, spelling, model.BoolOr("ignore_merges", false));
    }

    /// <summary>The model over the given tables.</summary>
    public static ModelParts Make(
        Dictionary<string, int> vocab, MergeTable merges, BpeSpelling spelling, bool ignoreMerges)
    {
        // Where each byte has a token, neither the unknown token nor the tokens of bytes can come up.
        bool complete = Enumerable.Range(0, 256).All(b => vocab.ContainsKey(ByteAlphabet.CharOf((byte)b).ToString()));
        bool plain = spelling.ContinuingPrefix.Length + spelling.EndOfWordSuffix.Length == 0
            && (complete || (spelling.Unknown is null && spelling.Bytes is null));
        return new ModelParts(
            vocab,
            () => new CharacterBpeModel(vocab, merges, spelling, ignoreMerges),
            plain ? () => new BpeModel(vocab, merges, ignoreMerges) : null);
    }

    private static int? ReadUnknown(JsonField model, Dictionary<string, int> vocab)
    {
        if (model.Find("unk_token") is not { } unknown || unknown.AsString().Length == 0)
        {
            return null;
        }

        // The library finds out only when an unknown character comes up.
        return vocab.TryGetValue(unknown.AsString(), out int id) ? id : null;
    }

    private static MergeTable ReadMerges(JsonField field, Dictionary<string, int> vocab, int prefix)
    {
        if (!field.IsArray)
        {
            throw field.Error("expected an array of merges");
        }

        MergeTableBuilder table = new(vocab, field.Value.GetArrayLength(), prefix);
        foreach (JsonField merge in field.Items())
        {
            (string left, string right) = ReadMerge(merge);
            if (!table.TryAdd(left, right))
            {
                throw merge.Error($"'{left}' and '{right}' and their union must all be in model.vocab");
            }
        }

        return table.Table;
    }

    private static (string Left, string Right) ReadMerge(JsonField merge)
    {
        if (merge.IsString)
        {
            string text = merge.AsString();
            return MergeTableBuilder.TrySplit(text, out string left, out string right)
                ? (left, right)
                : throw merge.Error($"expected two tokens with a space between them, found '{text}'");
        }

        JsonField[] pair = merge.IsArray ? [.. merge.Items()] : [];
        return pair.Length == 2
            ? (pair[0].AsString(), pair[1].AsString())
            : throw merge.Error("expected \"left right\" or [\"left\", \"right\"]");
    }
}

using System.Text.Json;
using Octavo.Text.Json;
using Octavo.Text.Tokens;

namespace Octavo.Text.Bpe;

/// <summary>Reads the <c>model</c> of a tokenizer.json.</summary>
internal static class BpeReader
{
    private const string Supported = "supported: BPE on bytes (as of GPT-2, Llama 3, Qwen)";

    public static (Dictionary<string, int> Vocab, BpeModel Model) Read(JsonField model)
    {
        // Files older than the field are told by their merges.
        JsonField? type = model.Find("type");
        if (type is { } named && named.AsString() != "BPE")
        {
            throw named.Error($"the model '{named.AsString()}' is not supported; {Supported}");
        }

        if (type is null && model.Find("merges") is null)
        {
            throw model.Error($"it has neither a type nor merges; {Supported}");
        }

        Dictionary<string, int> vocab = ReadVocab(model.Require("vocab"));
        CheckOptions(model, vocab);
        MergeTable merges = ReadMerges(model.Require("merges"), vocab);
        return (vocab, new BpeModel(vocab, merges, model.BoolOr("ignore_merges", false)));
    }

    private static void CheckOptions(JsonField model, Dictionary<string, int> vocab)
    {
        if (model.BoolOr("byte_fallback", false))
        {
            throw model.Require("byte_fallback").Error($"byte fallback is not supported; {Supported}");
        }

        if (model.Find("dropout") is { } dropout
            && !(dropout.Value.ValueKind == JsonValueKind.Number && dropout.Value.GetDouble() == 0))
        {
            throw dropout.Error("dropout is not supported; supported: null");
        }

        foreach (string name in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (model.Find(name) is { } affix && affix.AsString().Length > 0)
            {
                throw affix.Error("an affix is not supported; supported: null");
            }
        }

        // Where each byte has a token, the unknown token can never come up.
        bool complete = Enumerable.Range(0, 256).All(b => vocab.ContainsKey(ByteAlphabet.CharOf((byte)b).ToString()));
        if (model.Find("unk_token") is { } unknown && !complete)
        {
            throw unknown.Error("an unknown token is supported only where the vocabulary has all 256 bytes");
        }
    }

    private static Dictionary<string, int> ReadVocab(JsonField field)
    {
        if (!field.IsObject)
        {
            throw field.Error("expected an object of token: id");
        }

        Dictionary<string, int> vocab = new(StringComparer.Ordinal);
        foreach (JsonProperty entry in field.Value.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.Number
                || !entry.Value.TryGetInt32(out int id)
                || id is < 0 or > Vocabulary.MaxId)
            {
                throw field.Error($"the id of a token is {entry.Value}; supported: 0 to {Vocabulary.MaxId}");
            }

            try
            {
                vocab[entry.Name] = id;
            }
            catch (InvalidOperationException e)
            {
                throw field.Error($"the spelling of token {id} is not valid Unicode", e);
            }
        }

        return vocab.Count > 0 ? vocab : throw field.Error("it is empty");
    }

    private static MergeTable ReadMerges(JsonField field, Dictionary<string, int> vocab)
    {
        if (!field.IsArray)
        {
            throw field.Error("expected an array of merges");
        }

        Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> ids =
            vocab.GetAlternateLookup<ReadOnlySpan<char>>();
        MergeTable table = new(field.Value.GetArrayLength());
        char[] both = new char[256];
        int rank = 0;
        foreach (JsonField merge in field.Items())
        {
            (string left, string right) = ReadMerge(merge);
            if (left.Length + right.Length > both.Length)
            {
                both = new char[(left.Length + right.Length) * 2];
            }

            left.CopyTo(both);
            right.CopyTo(both.AsSpan(left.Length));
            ReadOnlySpan<char> joined = both.AsSpan(0, left.Length + right.Length);
            if (!ids.TryGetValue(left, out int leftId)
                || !ids.TryGetValue(right, out int rightId)
                || !ids.TryGetValue(joined, out int mergedId))
            {
                throw merge.Error($"'{left}' and '{right}' and their union must all be in model.vocab");
            }

            table.Set(leftId, rightId, rank, mergedId);
            rank++;
        }

        return table;
    }

    private static (string Left, string Right) ReadMerge(JsonField merge)
    {
        if (merge.IsString)
        {
            string text = merge.AsString();
            int space = text.IndexOf(' ');
            return space > 0 && space == text.LastIndexOf(' ') && space < text.Length - 1
                ? (text[..space], text[(space + 1)..])
                : throw merge.Error($"expected two tokens with a space between them, found '{text}'");
        }

        JsonField[] pair = merge.IsArray ? [.. merge.Items()] : [];
        return pair.Length == 2
            ? (pair[0].AsString(), pair[1].AsString())
            : throw merge.Error("expected \"left right\" or [\"left\", \"right\"]");
    }
}

using System.Text.Json;
using Octavo.Text.Bpe;
using Octavo.Text.Json;
using Octavo.Text.Models;
using Octavo.Text.Tokens;

namespace Octavo.Text;

/// <summary>Reads the <c>model</c> of a tokenizer.json.</summary>
internal static class ModelReader
{
    private const string Supported = "supported: BPE, Unigram, WordLevel, WordPiece";

    // sentencepiece's kUnkPenalty: what an unknown character costs beyond the worst piece.
    private const double UnknownPenalty = 10;

    public static ModelParts Read(JsonField model)
    {
        // Files older than the field are told by their other fields.
        JsonField vocab = model.Require("vocab");
        JsonField? type = model.Find("type");
        string name = type?.AsString()
            ?? (model.Find("merges") is not null ? "BPE"
                : vocab.IsArray ? "Unigram"
                : model.Find("continuing_subword_prefix") is not null ? "WordPiece"
                : throw model.Error($"it has neither a type nor merges; {Supported}"));
        return name switch
        {
            "BPE" => BpeReader.Read(model, ReadVocab(vocab)),
            "Unigram" => ReadUnigram(model, vocab),
            "WordLevel" => ReadWordLevel(model, ReadVocab(vocab)),
            "WordPiece" => ReadWordPiece(model, ReadVocab(vocab)),
            _ => throw (type ?? model).Error($"the model '{name}' is not supported; {Supported}"),
        };
    }

    /// <summary>An object of token: id.</summary>
    public static Dictionary<string, int> ReadVocab(JsonField field)
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

    private static ModelParts ReadWordLevel(JsonField model, Dictionary<string, int> vocab)
    {
        int unknown = RequireToken(model, "unk_token", "<unk>", vocab);
        return new ModelParts(vocab, () => new WordLevelModel(Copy(vocab), unknown), null);
    }

    private static ModelParts ReadWordPiece(JsonField model, Dictionary<string, int> vocab)
    {
        int unknown = RequireToken(model, "unk_token", "[UNK]", vocab);
        string prefix = model.StringOr("continuing_subword_prefix", "##");
        int most = model.Find("max_input_chars_per_word")?.AsCount() ?? 100;
        return new ModelParts(vocab, () => new WordPieceModel(Copy(vocab), unknown, prefix, most), null);
    }

    private static ModelParts ReadUnigram(JsonField model, JsonField list)
    {
        Dictionary<string, int> vocab = new(StringComparer.Ordinal);
        List<double> scores = [];
        foreach (JsonField entry in list.Items())
        {
            JsonField[] pair = entry.IsArray ? [.. entry.Items()] : [];
            if (pair.Length != 2)
            {
                throw entry.Error("expected [piece, score]");
            }

            vocab[pair[0].AsString()] = scores.Count;
            scores.Add(pair[1].AsDouble());
        }

        JsonField unknown = model.Require("unk_id");
        if (unknown.AsCount() >= scores.Count)
        {
            throw unknown.Error("there is no such piece in model.vocab");
        }

        ByteTokens? bytes = model.BoolOr("byte_fallback", false) ? new ByteTokens(vocab) : null;
        return new ModelParts(
            vocab,
            () => new UnigramModel(
                new UnigramVocabulary(
                    Copy(vocab), [.. scores], unknown.AsInt(), scores.Min() - UnknownPenalty),
                bytes,
                asSentencePiece: false),
            null);
    }

    private static int RequireToken(JsonField model, string name, string fallback, Dictionary<string, int> vocab)
    {
        string token = model.StringOr(name, fallback);
        return vocab.TryGetValue(token, out int id)
            ? id
            : throw (model.Find(name) ?? model).Error($"the {name} '{token}' is not in model.vocab");
    }

    // The tokenizer's vocabulary goes on to take in the added tokens; a model does not know them.
    private static Dictionary<string, int> Copy(Dictionary<string, int> vocab) => new(vocab, StringComparer.Ordinal);
}

using System.Text.Json;
using Octavo.Text.Decoding;
using Octavo.Text.Files;
using Octavo.Text.Json;
using Octavo.Text.Models;
using Octavo.Text.Pipeline;
using Octavo.Text.SentencePiece;
using Octavo.Text.Tiktoken;
using Octavo.Text.Tokens;

namespace Octavo.Text;

/// <summary>Reads a tokenizer from the first of its files that is there, and puts in what stands beside it.</summary>
internal static class TokenizerReader
{
    public static TokenizerParts Read(TokenizerFiles files, TokenizerConfig config)
    {
        foreach (string name in TokenizerFiles.Vocabularies)
        {
            if (files.Read(name) is { } bytes)
            {
                string path = files.NameOf(name);
                return name switch
                {
                    TokenizerFiles.Vocab => VocabularyFilesReader.ReadGpt2(files, bytes, config),
                    TokenizerFiles.BertVocab => VocabularyFilesReader.ReadBert(path, bytes, config),
                    _ => Read(path, bytes, config),
                };
            }
        }

        throw new TokenizerFormatException(files.NameOf(TokenizerFiles.Tokenizer), innerException: null);
    }

    // A file may have any name: its first bytes tell what it is.
    private static TokenizerParts Read(string path, byte[] bytes, TokenizerConfig config)
    {
        if (!LooksLikeText(bytes))
        {
            return SentencePieceReader.Read(path, bytes, config);
        }

        if (TiktokenReader.Recognizes(bytes))
        {
            return TiktokenReader.Read(path, bytes, config);
        }

        (JsonDocument document, JsonField root) = JsonField.Parse(path, bytes);
        using (document)
        {
            return root.Find("model") is null && root.Find("config") is { IsObject: true }
                ? TekkenReader.Read(root, config)
                : ReadJson(root, config);
        }
    }

    // A sentencepiece model begins with the tag of its first piece, which is a line feed, and that piece's length.
    private static bool LooksLikeText(ReadOnlySpan<byte> bytes) =>
        bytes is not [0x0A, _, 0x0A, ..];

    private static TokenizerParts ReadJson(JsonField root, TokenizerConfig config)
    {
        ModelParts model = ModelReader.Read(root.Require("model"));
        Normalizer? normalizer = PipelineReader.ReadNormalizer(root.Find("normalizer"));
        JsonField? preTokenizer = root.Find("pre_tokenizer");
        TextModel? main = null;
        TextStage stages = PipelineReader.ReadPreTokenizer(
            preTokenizer,
            () => new ModelStage(main = model.Model()),
            model.BytesModel is { } bytesModel ? () => new ModelStage(bytesModel()) : null);
        IReadOnlyList<AddedToken> added =
            AddedTokenList.Merge(ReadAddedTokens(root.Find("added_tokens"), model.Vocab), config, model.Vocab);
        HashSet<string> special = [.. added.Where(t => t.Special).Select(t => t.Content)];
        TextStage? withoutSpecial = special.Any(model.Vocab.ContainsKey) && main?.Without(special) is { } without
            ? PipelineReader.ReadPreTokenizer(preTokenizer, () => new ModelStage(new DeferredModel(without)), null)
            : null;
        return TokenizerParts.Make(
            model.Vocab,
            added,
            normalizer,
            stages,
            PostProcessorReader.Read(root.Find("post_processor")),
            DecoderReader.Read(root.Find("decoder")),
            LengthRules.Read(root)) with
        { ConversationStages = withoutSpecial ?? stages };
    }

    private static AddedToken[] ReadAddedTokens(JsonField? field, Dictionary<string, int> vocab)
    {
        if (field is not { } list)
        {
            return [];
        }

        List<AddedToken> tokens = [];
        foreach (JsonField item in list.Items())
        {
            string content = item.Require("content").AsString();
            JsonField idField = item.Require("id");

            // Hugging Face keeps the model's id for a token that the model knows.
            int id = vocab.TryGetValue(content, out int known) ? known : idField.AsInt();
            if (id is < 0 or > Vocabulary.MaxId)
            {
                throw idField.Error($"the id is {id}; supported: 0 to {Vocabulary.MaxId}");
            }

            tokens.Add(AddedToken.Read(item, id));
        }

        return [.. tokens];
    }
}

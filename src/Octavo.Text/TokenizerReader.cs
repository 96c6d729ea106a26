using System.Text.Json;
using Octavo.Text.Decoding;
using Octavo.Text.Json;
using Octavo.Text.Models;
using Octavo.Text.Pipeline;
using Octavo.Text.Tokens;

namespace Octavo.Text;

/// <summary>What a tokenizer is made of.</summary>
internal sealed record TokenizerParts(
    Vocabulary Vocabulary,
    AddedTokenSplitter RawTokens,
    AddedTokenSplitter NormalizedTokens,
    Normalizer? Normalizer,
    TextStage Stages,
    PostProcessor PostProcessor,
    TokenDecoder Decoder,
    LengthRules Lengths)
{
    /// <summary>Puts a tokenizer together: what its files say, and the tokens beside its model's.</summary>
    public static TokenizerParts Make(
        Dictionary<string, int> vocab,
        IReadOnlyList<AddedToken> added,
        Normalizer? normalizer,
        TextStage stages,
        PostProcessor postProcessor,
        TokenDecoder decoder,
        LengthRules? lengths = null)
    {
        // Of two that are spelled alike the first counts, and special ones come first.
        AddedToken[] ordered = [.. added.OrderByDescending(t => t.Special)];
        return new TokenizerParts(
            new Vocabulary(vocab, added, decoder is ByteLevelDecoder),
            new AddedTokenSplitter(ordered.Where(t => !t.Normalized).Select(t => (t.Content, t))),
            new AddedTokenSplitter(
                ordered.Where(t => t.Normalized).Select(t => (normalizer?.Apply(t.Content) ?? t.Content, t))),
            normalizer,
            stages,
            postProcessor,
            decoder,
            lengths ?? LengthRules.None);
    }
}

/// <summary>Reads tokenizer.json, and puts in what stands beside it.</summary>
internal static class TokenizerReader
{
    public static TokenizerParts Read(TokenizerFiles files, TokenizerConfig config)
    {
        string path = files.NameOf(TokenizerFiles.Tokenizer);
        byte[] bytes = files.Read(TokenizerFiles.Tokenizer) ?? throw new TokenizerFormatException(
            path, innerException: null);
        (JsonDocument document, JsonField root) = JsonField.Parse(path, bytes);
        using (document)
        {
            ModelParts model = ModelReader.Read(root.Require("model"));
            Normalizer? normalizer = PipelineReader.ReadNormalizer(root.Find("normalizer"));
            TextStage stages = PipelineReader.ReadPreTokenizer(
                root.Find("pre_tokenizer"),
                () => new ModelStage(model.Model()),
                model.BytesModel is { } bytesModel ? () => new ModelStage(bytesModel()) : null);
            return TokenizerParts.Make(
                model.Vocab,
                AddedTokenList.Merge(ReadAddedTokens(root.Find("added_tokens"), model.Vocab), config, model.Vocab),
                normalizer,
                stages,
                PostProcessorReader.Read(root.Find("post_processor")),
                DecoderReader.Read(root.Find("decoder")),
                LengthRules.Read(root));
        }
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

using System.Text.Json;
using Octavo.Text.Bpe;
using Octavo.Text.Json;
using Octavo.Text.Pipeline;
using Octavo.Text.Tokens;

namespace Octavo.Text;

/// <summary>What a tokenizer is made of, as read from tokenizer.json.</summary>
internal sealed record TokenizerParts(
    Vocabulary Vocabulary,
    AddedTokenSplitter RawTokens,
    AddedTokenSplitter NormalizedTokens,
    Normalizer? Normalizer,
    TextStage Stages,
    PostProcessor PostProcessor);

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
            (Dictionary<string, int> vocab, BpeModel model) = BpeReader.Read(root.Require("model"));
            Normalizer? normalizer = PipelineReader.ReadNormalizer(root.Find("normalizer"));
            TextStage stages = PipelineReader.ReadPreTokenizer(root.Find("pre_tokenizer"), root, new BpeStage(model));
            PostProcessorReader.CheckDecoder(root.Require("decoder"));
            PostProcessor postProcessor = PostProcessorReader.Read(root.Find("post_processor"));
            AddedToken[] added = AddedTokenList.Merge(ReadAddedTokens(root.Find("added_tokens"), vocab), config, vocab);
            AddedToken[] cutOut = [.. added.Where(t => !(t.Special && config.SplitsSpecialTokens))];
            return new TokenizerParts(
                new Vocabulary(vocab, added),
                new AddedTokenSplitter(cutOut.Where(t => !t.Normalized).Select(t => (t.Content, t))),
                new AddedTokenSplitter(
                    cutOut.Where(t => t.Normalized).Select(t => (normalizer?.Apply(t.Content) ?? t.Content, t))),
                normalizer,
                stages,
                postProcessor);
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

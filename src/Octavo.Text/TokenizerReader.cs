using System.Text.Json;
using Octavo.Text.Bpe;
using Octavo.Text.Pipeline;

namespace Octavo.Text;

/// <summary>What a tokenizer is made of, as read from tokenizer.json.</summary>
internal sealed record TokenizerParts(
    Vocabulary Vocabulary,
    AddedTokenSplitter RawTokens,
    AddedTokenSplitter NormalizedTokens,
    Normalizer? Normalizer,
    TextStage Stages,
    PostProcessor PostProcessor);

/// <summary>What tokenizer_config.json adds.</summary>
internal sealed record TokenizerConfig(string? BosToken, string? EosToken, string? PadToken, string? ChatTemplate);

/// <summary>Reads the two files.</summary>
internal static class TokenizerReader
{
    public static TokenizerParts Read(string path)
    {
        (JsonDocument document, JsonField root) = JsonField.ReadFile(path);
        using (document)
        {
            (Dictionary<string, int> vocab, BpeModel model) = BpeReader.Read(root.Require("model"));
            Normalizer? normalizer = PipelineReader.ReadNormalizer(root.Find("normalizer"));
            TextStage stages = PipelineReader.ReadPreTokenizer(root.Find("pre_tokenizer"), root, new BpeStage(model));
            PostProcessorReader.CheckDecoder(root.Require("decoder"));
            PostProcessor postProcessor = PostProcessorReader.Read(root.Find("post_processor"));
            AddedToken[] added = ReadAddedTokens(root.Find("added_tokens"), vocab);
            return new TokenizerParts(
                new Vocabulary(vocab, added),
                new AddedTokenSplitter(added.Where(t => !t.Normalized).Select(t => (t.Content, t))),
                new AddedTokenSplitter(
                    added.Where(t => t.Normalized).Select(t => (normalizer?.Apply(t.Content) ?? t.Content, t))),
                normalizer,
                stages,
                postProcessor);
        }
    }

    public static TokenizerConfig ReadConfig(string path)
    {
        (JsonDocument document, JsonField root) = JsonField.ReadFile(path);
        using (document)
        {
            return new TokenizerConfig(
                ReadToken(root.Find("bos_token")),
                ReadToken(root.Find("eos_token")),
                ReadToken(root.Find("pad_token")),
                ReadChatTemplate(root.Find("chat_template")));
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

            bool special = item.BoolOr("special", false);
            tokens.Add(new AddedToken(
                id,
                content,
                special,
                item.BoolOr("single_word", false),
                item.BoolOr("lstrip", false),
                item.BoolOr("rstrip", false),
                item.BoolOr("normalized", !special)));
        }

        return [.. tokens];
    }

    private static string? ReadToken(JsonField? field) => field switch
    {
        null => null,
        { IsObject: true } entry => entry.Require("content").AsString(),
        { } text => text.AsString(),
    };

    private static string? ReadChatTemplate(JsonField? field)
    {
        if (field is not { } template)
        {
            return null;
        }

        if (!template.IsArray)
        {
            return template.AsString();
        }

        foreach (JsonField entry in template.Items())
        {
            if (entry.Require("name").AsString() == "default")
            {
                return entry.Require("template").AsString();
            }
        }

        return null;
    }
}

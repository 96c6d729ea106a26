using System.Text;
using System.Text.Json;
using Octavo.Text.Bpe;
using Octavo.Text.Decoding;
using Octavo.Text.Files;
using Octavo.Text.Json;
using Octavo.Text.Models;
using Octavo.Text.Patterns;
using Octavo.Text.Pipeline;
using Octavo.Text.Tiktoken;
using Octavo.Text.Tokens;

namespace Octavo.Text;

/// <summary>
/// Reads vocabularies that have no tokenizer.json, as older repositories publish them. What the files do not say is
/// as the class of transformers that <c>tokenizer_config.json</c> names has it; without one, GPT-2's and BERT's.
/// </summary>
internal static class VocabularyFilesReader
{
    /// <summary>vocab.json and merges.txt.</summary>
    public static TokenizerParts ReadGpt2(TokenizerFiles files, byte[] vocabFile, TokenizerConfig config)
    {
        (JsonDocument document, JsonField root) = JsonField.Parse(files.NameOf(TokenizerFiles.Vocab), vocabFile);
        using (document)
        {
            Dictionary<string, int> vocab = ModelReader.ReadVocab(root);
            string mergesPath = files.NameOf(TokenizerFiles.Merges);
            byte[] mergesFile = files.Read(TokenizerFiles.Merges)
                ?? throw new TokenizerFormatException(mergesPath, innerException: null);
            ModelParts model = BpeReader.Make(
                vocab,
                ReadMerges(mergesPath, mergesFile, vocab),
                new BpeSpelling("", "", null, false, null),
                ignoreMerges: false);
            if (model.BytesModel is not { } encoder)
            {
                throw root.Error("expected a vocabulary on bytes");
            }

            // Roberta's and its kin put <s> and </s> around a text; Qwen 2 cuts text otherwise than GPT-2.
            string name = (config.TokenizerClass ?? "GPT2Tokenizer").Replace("Fast", "", StringComparison.Ordinal);
            bool around = name is "RobertaTokenizer" or "BartTokenizer" or "LongformerTokenizer" or "LEDTokenizer";
            if (name is "CLIPTokenizer" or "OpenAIGPTTokenizer" or "CTRLTokenizer" or "BlenderbotTokenizer")
            {
                throw new TokenizerFormatException(
                    files.NameOf(TokenizerFiles.Config),
                    "tokenizer_class",
                    $"'{name}' without a tokenizer.json is not supported; supported: GPT2Tokenizer and its kin");
            }

            bool qwen = name is "Qwen2Tokenizer";
            TextStage last = new ModelStage(encoder());
            AddedToken[] special = Known(vocab, "<|endoftext|>", around ? ["<s>", "</s>", "<pad>", "<unk>"] : []);
            AddedToken[] added = AddedTokenList.Merge(special, config, vocab);
            return TokenizerParts.Make(
                vocab,
                added,
                qwen ? new UnicodeFormNormalizer(NormalizationForm.FormC) : null,
                qwen
                    ? SplitStage.Make(
                        TextPattern.Expression(TiktokenEncoding.Qwen), SplitBehavior.Isolated, invert: false, last)
                    : PipelineReader.Gpt2Words(config.AddsPrefixSpace ?? false, last),
                around
                    ? new PostProcessor(
                        IdOf(added, config, "cls_token", "<s>"), IdOf(added, config, "sep_token", "</s>"))
                    : config.Around(
                        IdOf(added, config, "bos_token", "<|endoftext|>") is [int bos] ? bos : null,
                        IdOf(added, config, "eos_token", "<|endoftext|>") is [int eos] ? eos : null,
                        addBos: false),
                new ByteLevelDecoder());
        }
    }

    /// <summary>vocab.txt: a token each line, its id its place.</summary>
    public static TokenizerParts ReadBert(string path, byte[] file, TokenizerConfig config)
    {
        Dictionary<string, int> vocab = new(StringComparer.Ordinal);
        int id = 0;
        foreach (string line in Lines(file))
        {
            vocab[line] = id;
            id++;
        }

        string unknown = config.Find("unk_token") ?? "[UNK]";
        if (!vocab.TryGetValue(unknown, out int unknownId))
        {
            throw new TokenizerFormatException(path, "$", $"the unknown token '{unknown}' is not in it");
        }

        bool lowercase = config.Lowercases ?? true;
        WordPieceModel model = new(
            new Dictionary<string, int>(vocab, StringComparer.Ordinal), unknownId, "##", maxCharsPerWord: 100);
        AddedToken[] added = AddedTokenList.Merge(
            Known(vocab, "[UNK]", ["[SEP]", "[PAD]", "[CLS]", "[MASK]"]), config, vocab);
        return TokenizerParts.Make(
            vocab,
            added,
            new BertNormalizer(
                cleanText: true, config.SpacesIdeographs, config.StripsAccents ?? lowercase, lowercase),
            PipelineReader.BertWords(new ModelStage(model)),
            new PostProcessor(IdOf(added, config, "cls_token", "[CLS]"), IdOf(added, config, "sep_token", "[SEP]")),
            new WordPieceDecoder("##", cleanUp: true));
    }

    private static MergeTable ReadMerges(string path, byte[] file, Dictionary<string, int> vocab)
    {
        MergeTableBuilder table = new(vocab, file.AsSpan().Count((byte)'\n') + 1);
        int number = 0;
        foreach (string line in Lines(file))
        {
            number++;
            if (line.Length == 0 || line.StartsWith("#version", StringComparison.Ordinal))
            {
                continue;
            }

            if (!MergeTableBuilder.TrySplit(line, out string left, out string right)
                || !table.TryAdd(left, right))
            {
                throw new TokenizerFormatException(
                    path,
                    FormattableString.Invariant($"line {number}"),
                    $"'{line}' is not two tokens of vocab.json whose union is one, too");
            }
        }

        return table.Table;
    }

    // Only line feeds end a line: other breaks may be tokens.
    private static IEnumerable<string> Lines(byte[] file)
    {
        string[] lines = Encoding.UTF8.GetString(file).Split('\n');
        return lines.Take(lines[^1].Length == 0 ? lines.Length - 1 : lines.Length).Select(l => l.TrimEnd('\r'));
    }

    private static AddedToken[] Known(Dictionary<string, int> vocab, string first, string[] others) =>
        [.. others.Prepend(first).Where(vocab.ContainsKey).Select(
            t => new AddedToken(vocab[t], t, true, false, false, false, Normalized: false))];

    private static int[] IdOf(AddedToken[] added, TokenizerConfig config, string name, string fallback)
    {
        string token = config.Find(name) ?? fallback;
        return [.. added.Where(t => t.Content == token).Select(t => t.Id).Take(1)];
    }
}

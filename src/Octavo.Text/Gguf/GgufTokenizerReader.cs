using Octavo.Formats.Gguf;
using Octavo.Text.Bpe;
using Octavo.Text.Decoding;
using Octavo.Text.Files;
using Octavo.Text.Models;
using Octavo.Text.Patterns;
using Octavo.Text.Pipeline;
using Octavo.Text.SentencePiece;
using Octavo.Text.Tokens;

namespace Octavo.Text.Gguf;

/// <summary>Makes a tokenizer of the <c>tokenizer.ggml.*</c> keys of a GGUF file.</summary>
internal static class GgufTokenizerReader
{
    private const string Prefix = "tokenizer.ggml.";

    public static (TokenizerParts Parts, TokenizerConfig Config) Read(string path, Stream file)
    {
        try
        {
            Source source = new(GgufMetadata.Read(file));
            TokenizerParts parts = source.Model switch
            {
                "gpt2" => ReadGpt2(source),
                "llama" => SentencePieceReader.Make(source.SentencePiece(SentencePieceProto.Bpe), source.Config),
                "t5" => SentencePieceReader.Make(source.SentencePiece(SentencePieceProto.Unigram), source.Config),
                "bert" => ReadBert(source),
                string other => throw new FormatException(
                    $"{Prefix}model: '{other}' is not supported; supported: gpt2, llama, t5, bert"),
            };
            return (parts, source.Config);
        }
        catch (FormatException e)
        {
            int colon = e.Message.IndexOf(": ", StringComparison.Ordinal);
            bool named = e.Message.StartsWith("tokenizer.", StringComparison.Ordinal) && colon > 0;
            throw new TokenizerFormatException(
                path, named ? e.Message[..colon] : "$", named ? e.Message[(colon + 2)..] : e.Message, e);
        }
    }

    private static TokenizerParts ReadGpt2(Source source)
    {
        Dictionary<string, int> vocab = source.Vocab();
        string[] merges = source.Require("merges");
        MergeTableBuilder table = new(vocab, merges.Length);
        for (int i = 0; i < merges.Length; i++)
        {
            // A merge whose token is an added one reads as absent, and can never come up.
            if (!MergeTableBuilder.TrySplit(merges[i], out string left, out string right))
            {
                throw new FormatException($"{Prefix}merges: '{merges[i]}' is not two tokens");
            }

            table.TryAdd(left, right);
        }

        string name = source.Pre;
        string[] expressions = GgufPreTokenizers.Find(name)
            ?? throw new FormatException($"{Prefix}pre: '{name}' is not known");
        ModelParts model = BpeReader.Make(
            vocab,
            table.Table,
            new BpeSpelling("", "", null, false, null),
            GgufPreTokenizers.IgnoresMerges(name));
        TextStage stage = new ModelStage(
            (model.BytesModel ?? throw new FormatException($"{Prefix}tokens: a byte has none"))());
        foreach (string expression in expressions.Reverse())
        {
            stage = SplitStage.Make(TextPattern.Expression(expression), SplitBehavior.Isolated, invert: false, stage);
        }

        return TokenizerParts.Make(
            vocab,
            source.Added(),
            null,
            stage,
            source.Around(GgufPreTokenizers.AddsBos(name)),
            new ByteLevelDecoder()) with
        { SplitsSpecialTokens = true };
    }

    private static TokenizerParts ReadBert(Source source)
    {
        // Stored with a mark where a word begins and none where it goes on.
        Dictionary<string, int> vocab = new(StringComparer.Ordinal);
        HashSet<int> added = [.. source.Added().Select(t => t.Id)];
        foreach ((string token, int id) in source.Vocab())
        {
            string spelled = added.Contains(id) ? token
                : token.StartsWith(SentencePieceProto.Blank, StringComparison.Ordinal) ? token[1..]
                : "##" + token;
            vocab[spelled] = id;
        }

        int unknown = source.Id("unknown_token_id")
            ?? throw new FormatException($"{Prefix}unknown_token_id: it is missing");
        bool lowercase = source.Bool("normalizer.lowercase") ?? true;
        WordPieceModel model = new(
            new Dictionary<string, int>(vocab, StringComparer.Ordinal), unknown, "##", maxCharsPerWord: 100);
        return TokenizerParts.Make(
            vocab,
            source.Added(),
            new BertNormalizer(true, true, source.Bool("normalizer.strip_accents") ?? lowercase, lowercase),
            PipelineReader.BertWords(new ModelStage(model)),
            new PostProcessor(
                (source.Id("cls_token_id") ?? source.Id("bos_token_id")) is { } cls ? [cls] : [],
                (source.Id("seperator_token_id") ?? source.Id("eos_token_id")) is { } sep ? [sep] : []),
            new WordPieceDecoder("##", cleanUp: true)) with
        { SplitsSpecialTokens = true };
    }

    /// <summary>The keys by their short names.</summary>
    private sealed class Source
    {
        private readonly GgufMetadata _metadata;
        private readonly string[] _tokens;
        private readonly long[] _types;

        public Source(GgufMetadata metadata)
        {
            _metadata = metadata;
            _tokens = Require("tokens");
            _types = _metadata.Integers(Prefix + "token_type") ?? Enumerable.Repeat(1L, _tokens.Length).ToArray();
            if (_types.Length != _tokens.Length)
            {
                throw new FormatException($"{Prefix}token_type: expected as many as tokens");
            }

            Config = TokenizerConfig.Of(
                new Dictionary<string, string?>
                {
                    ["bos_token"] = TokenOf("bos_token_id"),
                    ["eos_token"] = TokenOf("eos_token_id"),
                    ["unk_token"] = TokenOf("unknown_token_id"),
                    ["pad_token"] = TokenOf("padding_token_id"),
                },
                Bool("add_bos_token"),
                Bool("add_eos_token"),
                ChatTemplateSources.Of(NamedTemplates(metadata)));
        }

        public TokenizerConfig Config { get; }

        public string Model => _metadata.Text(Prefix + "model")
            ?? throw new FormatException($"{Prefix}model: it is missing");

        public string Pre => _metadata.Text(Prefix + "pre") ?? "default";

        public bool? Bool(string name) => _metadata.Bool(Prefix + name);

        public string[] Require(string name) => _metadata.Texts(Prefix + name)
            ?? throw new FormatException($"{Prefix}{name}: it is missing");

        public int? Id(string name) =>
            _metadata.Integer(Prefix + name) is >= 0 and { } id && id < _tokens.Length ? (int)id : null;

        public Dictionary<string, int> Vocab()
        {
            Dictionary<string, int> vocab = new(StringComparer.Ordinal);
            for (int id = 0; id < _tokens.Length; id++)
            {
                vocab.TryAdd(_tokens[id], id);
            }

            return vocab;
        }

        /// <summary>Control tokens, which are special, and those that were defined beside the model's.</summary>
        public AddedToken[] Added() => [.. _tokens.Index()
            .Where(t => t.Item.Length > 0
                && (PieceType)_types[t.Index] is PieceType.Control or PieceType.Unknown or PieceType.UserDefined)
            .Select(t => new AddedToken(
                t.Index,
                t.Item,
                (PieceType)_types[t.Index] != PieceType.UserDefined,
                false,
                false,
                false,
                Normalized: false))];

        public PostProcessor Around(bool addBos) => Config.Around(Id("bos_token_id"), Id("eos_token_id"), addBos);

        public SentencePieceProto SentencePiece(int modelType)
        {
            double[] scores = _metadata.Numbers(Prefix + "scores") ?? new double[_tokens.Length];
            if (scores.Length != _tokens.Length)
            {
                throw new FormatException($"{Prefix}scores: expected as many as tokens");
            }

            bool unigram = modelType == SentencePieceProto.Unigram;
            Piece[] pieces = [.. _tokens.Select(
                (token, id) => new Piece(token, (float)scores[id], (PieceType)_types[id]))];
            int unknown = Array.FindIndex(pieces, p => p.Type == PieceType.Unknown);
            return new SentencePieceProto
            {
                Pieces = pieces,
                ModelType = modelType,
                UnknownId = unknown >= 0 ? unknown : Id("unknown_token_id")
                    ?? throw new FormatException($"{Prefix}unknown_token_id: it is missing"),
                ByteFallback = pieces.Any(p => p.Type == PieceType.Byte),
                BosId = unigram ? -1 : Id("bos_token_id") ?? -1,
                EosId = Id("eos_token_id") ?? -1,
                AddsEos = unigram,
                CharacterMap = [.. (_metadata.Integers(Prefix + "precompiled_charsmap") ?? []).Select(b => (byte)b)],
                AddDummyPrefix = Bool("add_space_prefix") ?? true,
                RemoveExtraWhitespaces = Bool("remove_extra_whitespaces") ?? false,
            };
        }

        // Those beside the default one are listed by name.
        private static IEnumerable<(string Name, string? Source)> NamedTemplates(GgufMetadata metadata) =>
            (metadata.Texts("tokenizer.chat_templates") ?? [])
                .Select(name => (name, metadata.Text("tokenizer.chat_template." + name)))
                .Append((ChatTemplateSources.DefaultName, metadata.Text("tokenizer.chat_template")));

        private string? TokenOf(string name) => Id(name) is { } id ? _tokens[id] : null;
    }
}

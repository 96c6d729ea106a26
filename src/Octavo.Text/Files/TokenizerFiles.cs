namespace Octavo.Text.Files;

/// <summary>The files that a tokenizer is read from, wherever they stand.</summary>
/// <param name="nameOf">What messages call a file.</param>
/// <param name="read">A file's bytes; null where it is not there.</param>
/// <param name="list">The names of the files in a folder beside them; empty where that is not there.</param>
internal sealed class TokenizerFiles(
    Func<string, string> nameOf, Func<string, byte[]?> read, Func<string, IEnumerable<string>>? list = null)
{
    public const string Tokenizer = "tokenizer.json";
    public const string Config = "tokenizer_config.json";
    public const string SpecialTokens = "special_tokens_map.json";
    public const string AddedTokens = "added_tokens.json";
    public const string ChatTemplate = "chat_template.jinja";
    public const string OlderChatTemplate = "chat_template.json";
    public const string MoreChatTemplates = "additional_chat_templates";

    public const string SentencePiece = "tokenizer.model";
    public const string Tekken = "tekken.json";
    public const string Vocab = "vocab.json";
    public const string Merges = "merges.txt";
    public const string BertVocab = "vocab.txt";

    /// <summary>The files that hold a tokenizer, in the order in which they are looked for.</summary>
    public static IReadOnlyList<string> Vocabularies { get; } =
    [
        Tokenizer, Tekken, SentencePiece, "spiece.model", "sentencepiece.bpe.model", Vocab, BertVocab,
        "tokenizer.tiktoken", "tiktoken.model", "qwen.tiktoken",
    ];

    /// <summary>Those in a directory.</summary>
    public static TokenizerFiles In(string directory) => new(
        name => Path.Combine(directory, name),
        name => ReadIfThere(Path.Combine(directory, name)),
        folder => ListIfThere(Path.Combine(directory, folder)));

    /// <summary>Two files of any name, and none beside them.</summary>
    public static TokenizerFiles Of(string tokenizer, string? config)
    {
        return new(name => PathOf(name) ?? name, name => PathOf(name) is { } path ? ReadIfThere(path) : null);

        string? PathOf(string name) => name switch
        {
            Tokenizer => tokenizer,
            Config => config,
            _ => null,
        };
    }

    public string NameOf(string file) => nameOf(file);

    public byte[]? Read(string file) => read(file);

    /// <summary>The files of a folder, by paths that <see cref="Read"/> takes.</summary>
    public IEnumerable<string> List(string folder) => (list?.Invoke(folder) ?? []).Select(name => $"{folder}/{name}");

    private static byte[]? ReadIfThere(string path) => File.Exists(path) ? File.ReadAllBytes(path) : null;

    private static IEnumerable<string> ListIfThere(string folder) => Directory.Exists(folder)
        ? Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)
        : [];
}

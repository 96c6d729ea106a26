using System.Globalization;
using System.Text.Json;
using Octavo.Text.Json;
using Octavo.Text.Pipeline;
using Octavo.Text.Templates;
using Octavo.Text.Tokens;

namespace Octavo.Text.Files;

/// <summary>
/// What stands beside a tokenizer.json and counts as much: <c>tokenizer_config.json</c>, and where that lists no added
/// tokens (<c>added_tokens_decoder</c>), the older <c>special_tokens_map.json</c> and <c>added_tokens.json</c>.
/// </summary>
/// <remarks>
/// Which file counts when, and what becomes a token: transformers 5.24, <c>tokenization_utils_base.py</c> and
/// <c>tokenization_utils_tokenizers.py</c>. <c>add_bos_token</c>, <c>add_eos_token</c>, <c>add_prefix_space</c> and
/// <c>legacy</c> act only without a tokenizer.json: beside one it alone says what becomes of a text.
/// </remarks>
internal sealed record TokenizerConfig
{
    /// <summary>The names that every tokenizer may give to one of its tokens.</summary>
    private static readonly string[] Names =
        ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>Tokens by what they are called, <c>eos_token</c> say; a template may use each by its name.</summary>
    public IReadOnlyDictionary<string, string> Named { get; private init; } = new Dictionary<string, string>();

    /// <summary>
    /// Tokens to be added, or given these flags where tokenizer.json has them; in the order of their ids.
    /// </summary>
    public IReadOnlyList<AddedToken> Added { get; private init; } = [];

    /// <summary>
    /// Tokens that are special, and added where nothing else adds them: the named ones, and those listed as special.
    /// </summary>
    public IReadOnlyList<AddedToken> Special { get; private init; } = [];

    /// <summary>
    /// Whether being named makes a token of tokenizer.json special: so where <c>added_tokens_decoder</c> is absent.
    /// </summary>
    public bool NamesMakeSpecial { get; private init; }

    /// <summary>Whether special tokens spelled out in a text are encoded as any other text.</summary>
    public bool SplitsSpecialTokens { get; private init; }

    /// <summary>The class of transformers that the files are for, or null.</summary>
    public string? TokenizerClass { get; private init; }

    /// <summary>Whether BOS goes first; null where the file leaves it to the class.</summary>
    public bool? AddsBos { get; private init; }

    /// <summary>Whether EOS goes last; null where the file leaves it to the class.</summary>
    public bool? AddsEos { get; private init; }

    /// <summary>Whether a text gets a blank first; null where the file leaves it to the class.</summary>
    public bool? AddsPrefixSpace { get; private init; }

    /// <summary>Whether with sentencepiece text after a special token gets a blank first, too.</summary>
    public bool Legacy { get; private init; } = true;

    /// <summary>Whether BERT's letters become small ones; null where the file leaves it to the class.</summary>
    public bool? Lowercases { get; private init; }

    /// <summary>Whether BERT's letters lose their accents; null: as they become small.</summary>
    public bool? StripsAccents { get; private init; }

    /// <summary>Whether BERT puts blanks around ideographs.</summary>
    public bool SpacesIdeographs { get; private init; } = true;

    /// <summary>The chat templates by name.</summary>
    public ChatTemplateSources ChatTemplates { get; private init; } = ChatTemplateSources.None;

    /// <summary>A name's token, or null.</summary>
    public string? Find(string name) => Named.GetValueOrDefault(name);

    /// <summary>What goes around a text where only this file can say it.</summary>
    /// <param name="bos">The id of BOS; null for none.</param>
    /// <param name="eos">The id of EOS; null for none.</param>
    /// <param name="addBos">Whether BOS goes first unless the file says otherwise.</param>
    /// <param name="addEos">Whether EOS goes last unless the file says otherwise.</param>
    public PostProcessor Around(int? bos, int? eos, bool addBos, bool addEos = false) => new(
        bos is { } first && (AddsBos ?? addBos) ? [first] : [],
        eos is { } last && (AddsEos ?? addEos) ? [last] : []);

    /// <summary>What a format says that keeps it all in one file.</summary>
    /// <param name="named">Tokens by what they are called; null where there is none.</param>
    /// <param name="addsBos">Whether BOS goes first; null where the file does not say.</param>
    /// <param name="addsEos">Whether EOS goes last; null where the file does not say.</param>
    /// <param name="chatTemplates">The chat templates.</param>
    public static TokenizerConfig Of(
        IReadOnlyDictionary<string, string?> named,
        bool? addsBos,
        bool? addsEos,
        ChatTemplateSources chatTemplates) => new()
        {
            Named = named.Where(t => t.Value is not null).ToDictionary(t => t.Key, t => t.Value!),
            AddsBos = addsBos,
            AddsEos = addsEos,
            ChatTemplates = chatTemplates,
        };

    /// <summary>Reads what stands beside a tokenizer.json; each file may be absent.</summary>
    public static TokenizerConfig Load(TokenizerFiles files)
    {
        using FileOrNothing config = new(files, TokenizerFiles.Config);
        JsonField? decoder = config.Root?.Find("added_tokens_decoder");
        using FileOrNothing map = new(decoder is null ? files : null, TokenizerFiles.SpecialTokens);
        using FileOrNothing list = new(decoder is null ? files : null, TokenizerFiles.AddedTokens);

        // By name; later files go over earlier ones.
        Dictionary<string, JsonField> fields = [];
        foreach (JsonField root in new[] { config.Root, map.Root }.OfType<JsonField>())
        {
            foreach ((string name, JsonField field) in root.Members())
            {
                fields[name] = field;
            }
        }

        List<AddedToken> special = [];
        Dictionary<string, string> named = new(StringComparer.Ordinal);
        foreach (string name in Names.Where(fields.ContainsKey).Concat(OtherNames(fields)))
        {
            AddedToken token = ReadSpecial(fields[name]);
            named[name] = token.Content;
            special.Add(token);
        }

        foreach ((string name, JsonField field) in ExtraTokens(fields))
        {
            AddedToken token = ReadSpecial(field);
            special.Add(token);
            if (name.Length > 0)
            {
                named[name] = token.Content;
            }
        }

        AddedToken[] added = decoder is { } listed
            ? ReadDecoder(listed)
            : ReadAddedFile(list.Root, [.. special.Select(t => t.Content)]);
        return new TokenizerConfig
        {
            Named = named,
            Added = [.. added.OrderBy(t => t.Id)],
            Special = special,
            NamesMakeSpecial = decoder is null,
            SplitsSpecialTokens = config.Root?.BoolOr("split_special_tokens", false) ?? false,
            TokenizerClass = config.Root?.Find("tokenizer_class")?.AsString(),
            AddsBos = config.Root?.Find("add_bos_token")?.AsBool(),
            AddsEos = config.Root?.Find("add_eos_token")?.AsBool(),
            AddsPrefixSpace = config.Root?.Find("add_prefix_space")?.AsBool(),
            Legacy = config.Root?.BoolOr("legacy", true) ?? true,
            Lowercases = config.Root?.Find("do_lower_case")?.AsBool(),
            StripsAccents = config.Root?.Find("strip_accents")?.AsBool(),
            SpacesIdeographs = config.Root?.BoolOr("tokenize_chinese_chars", true) ?? true,
            ChatTemplates = ChatTemplateSources.Read(files, config.Root?.Find("chat_template")),
        };
    }

    // A model's own names, image_token say, count where they name a token by its text.
    private static IEnumerable<string> OtherNames(Dictionary<string, JsonField> fields) =>
        fields.Keys.Where(
            k => k.EndsWith("_token", StringComparison.Ordinal) && !Names.Contains(k) && fields[k].IsString);

    // A list of tokens, or an object of names and tokens; the older name counts where the newer is absent.
    private static IEnumerable<(string Name, JsonField Token)> ExtraTokens(Dictionary<string, JsonField> fields)
    {
        string? name = Array.Find(["extra_special_tokens", "additional_special_tokens"], fields.ContainsKey);
        return name is null ? []
            : fields[name] is { IsObject: true } members ? members.Members()
            : fields[name].Items().Select(item => (string.Empty, item));
    }

    private static AddedToken[] ReadDecoder(JsonField decoder) =>
        [.. decoder.Members().Select(member =>
        {
            (string id, JsonField token) = member;
            return int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
                && number <= Vocabulary.MaxId
                ? AddedToken.Read(token, number)
                : throw decoder.Error($"holds '{id}'; expected token ids from 0 to {Vocabulary.MaxId}");
        })];

    private static AddedToken[] ReadAddedFile(JsonField? root, HashSet<string> special) => root is not { } list
        ? []
        : [.. list.Members().Select(member =>
        {
            (string content, JsonField id) = member;
            bool isSpecial = special.Contains(content);
            return id.AsInt() is >= 0 and <= Vocabulary.MaxId and int number
                ? new AddedToken(number, content, isSpecial, false, false, false, Normalized: !isSpecial)
                : throw id.Error($"expected a token id from 0 to {Vocabulary.MaxId}");
        })];

    private static AddedToken ReadSpecial(JsonField field) => field.IsObject
        ? AddedToken.Read(field, AddedToken.NoId) with { Special = true }
        : new AddedToken(AddedToken.NoId, field.AsString(), true, false, false, false, Normalized: false);

    /// <summary>A file's object, as long as it is looked into.</summary>
    private sealed class FileOrNothing : IDisposable
    {
        private readonly JsonDocument? _document;

        public FileOrNothing(TokenizerFiles? files, string name)
        {
            if (files?.Read(name) is { } bytes)
            {
                (_document, JsonField root) = JsonField.Parse(files.NameOf(name), bytes);
                Root = root;
            }
        }

        public JsonField? Root { get; }

        public void Dispose() => _document?.Dispose();
    }
}

using System.Globalization;
using System.Text.Json;
using Octavo.Text.Json;
using Octavo.Text.Templates;
using Octavo.Text.Tokens;

namespace Octavo.Text;

/// <summary>
/// What stands beside a tokenizer.json and counts as much: <c>tokenizer_config.json</c>, and where that lists no added
/// tokens (<c>added_tokens_decoder</c>), the older <c>special_tokens_map.json</c> and <c>added_tokens.json</c>.
/// </summary>
/// <remarks>
/// Which file counts when, and what becomes a token: transformers 5.24, <c>tokenization_utils_base.py</c> and
/// <c>tokenization_utils_tokenizers.py</c>. <c>add_bos_token</c> and <c>add_eos_token</c> are not read: beside a
/// tokenizer.json its own post-processor alone says what is put around a text.
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

    /// <summary>The chat templates by name.</summary>
    public ChatTemplateSources ChatTemplates { get; private init; } = ChatTemplateSources.None;

    /// <summary>A name's token, or null.</summary>
    public string? Find(string name) => Named.GetValueOrDefault(name);

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

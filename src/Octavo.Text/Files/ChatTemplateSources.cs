using Octavo.Text.Json;

namespace Octavo.Text.Files;

/// <summary>
/// The chat templates that came with a model, by name. Where several give one of the same name, a file
/// (<c>chat_template.jinja</c>, <c>additional_chat_templates/NAME.jinja</c>) goes over the older
/// <c>chat_template.json</c>, and that over <c>tokenizer_config.json</c>.
/// </summary>
internal sealed class ChatTemplateSources
{
    public const string DefaultName = "default";
    public const string ToolUseName = "tool_use";

    private const string Extension = ".jinja";

    private readonly Dictionary<string, string> _byName = new(StringComparer.Ordinal);

    private ChatTemplateSources()
    {
    }

    public static ChatTemplateSources None { get; } = new();

    public IReadOnlyDictionary<string, string> ByName => _byName;

    /// <summary>
    /// The name of the template for a conversation: as in transformers, that for tools where there are any.
    /// </summary>
    public string NameFor(bool hasTools) => hasTools && _byName.ContainsKey(ToolUseName) ? ToolUseName : DefaultName;

    /// <summary>Reads them.</summary>
    /// <param name="files">The model's files.</param>
    /// <param name="config">What tokenizer_config.json has as <c>chat_template</c>.</param>
    /// <exception cref="TokenizerFormatException">A file is malformed.</exception>
    public static ChatTemplateSources Read(TokenizerFiles files, JsonField? config)
    {
        ChatTemplateSources sources = new();
        sources.Add(config);
        if (files.Read(TokenizerFiles.OlderChatTemplate) is { } older)
        {
            (System.Text.Json.JsonDocument document, JsonField root) =
                JsonField.Parse(files.NameOf(TokenizerFiles.OlderChatTemplate), older);
            using (document)
            {
                sources.Add(root.Find("chat_template"));
            }
        }

        if (files.Read(TokenizerFiles.ChatTemplate) is { } template)
        {
            sources._byName[DefaultName] = TextOf(template);
        }

        foreach (string path in files.List(TokenizerFiles.MoreChatTemplates).Where(p => p.EndsWith(Extension)))
        {
            sources._byName[Path.GetFileNameWithoutExtension(path)] = TextOf(files.Read(path)!);
        }

        return sources;
    }

    /// <summary>A single template.</summary>
    public static ChatTemplateSources Of(string source) => new() { _byName = { [DefaultName] = source } };

    /// <summary>Templates by name; null for one that is not there.</summary>
    public static ChatTemplateSources Of(IEnumerable<(string Name, string? Source)> templates)
    {
        ChatTemplateSources sources = new();
        foreach ((string name, string? source) in templates.Where(t => t.Source is not null))
        {
            sources._byName[name] = source!;
        }

        return sources;
    }

    // A text, a list of names and texts, or a map of them.
    private void Add(JsonField? field)
    {
        switch (field)
        {
            case null:
                break;
            case { IsArray: true } list:
                foreach (JsonField entry in list.Items())
                {
                    _byName[entry.Require("name").AsString()] = entry.Require("template").AsString();
                }

                break;
            case { IsObject: true } map:
                foreach ((string name, JsonField template) in map.Members())
                {
                    _byName[name] = template.AsString();
                }

                break;
            case { } text:
                _byName[DefaultName] = text.AsString();
                break;
        }
    }

    // As any reader of text files has it: without the mark that some editors put first.
    private static string TextOf(byte[] utf8)
    {
        using var reader = new StreamReader(new MemoryStream(utf8));
        return reader.ReadToEnd();
    }
}

using Octavo.Cli.Options;
using Octavo.Cli.Terminal;
using Octavo.Formats.Hub;
using Octavo.Text;
using Octavo.Text.Files;
using Octavo.Text.Prompts;
using Octavo.Text.Templates;

namespace Octavo.Cli.Render;

/// <summary>The templates that a command renders with, and the special tokens that they see.</summary>
internal sealed class RenderSource
{
    private readonly ChatTemplateSources _sources;
    private readonly IReadOnlyDictionary<string, string> _specialTokens;
    private readonly string _name;
    private readonly string? _chosen;
    private readonly Dictionary<string, ChatTemplate> _parsed = new(StringComparer.Ordinal);

    private RenderSource(
        ChatTemplateSources sources, IReadOnlyDictionary<string, string> specialTokens, string name, string? chosen) =>
        (_sources, _specialTokens, _name, _chosen) = (sources, specialTokens, name, chosen);

    /// <summary>Those of a model's directory, or a single file: a template, or a GGUF file.</summary>
    /// <param name="model">The directory, the file or the name on the hub; null for the bundled model.</param>
    /// <param name="template">The template's name, or null for that which the conversation needs.</param>
    /// <exception cref="UsageException">There is no such template.</exception>
    public static RenderSource Load(string? model, string? template)
    {
        string path = File.Exists(model) ? model : ModelLocator.Find(model, ModelParts.Text);
        if (!File.Exists(path))
        {
            TokenizerConfig config = TokenizerConfig.Load(TokenizerFiles.In(path));
            return Of(config.ChatTemplates, config.Named, path, template);
        }

        return Tokenizer.IsGguf(path)
            ? Of(Tokenizer.LoadFile(path), path, template)
            : Of(ChatTemplateSources.Of(File.ReadAllText(path)), new Dictionary<string, string>(), path, template);
    }

    /// <summary>Those that came with a tokenizer.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="name">What messages call where it came from.</param>
    /// <param name="template">The template's name, or null for that which the conversation needs.</param>
    /// <exception cref="UsageException">There is no such template.</exception>
    public static RenderSource Of(Tokenizer tokenizer, string name, string? template) =>
        Of(tokenizer.ChatTemplates, tokenizer.NamedTokens, name, template);

    private static RenderSource Of(
        ChatTemplateSources sources, IReadOnlyDictionary<string, string> tokens, string name, string? template)
    {
        RenderSource source = new(sources, tokens, name, template);
        string names = string.Join(", ", source._sources.ByName.Keys);
        UsageException.ThrowIf(names.Length == 0, $"{source._name} has no chat template");
        UsageException.ThrowIf(
            template is not null && !source._sources.ByName.ContainsKey(template),
            $"{source._name} has no template named {template}; it has {names}");
        return source;
    }

    /// <summary>The prompt of a conversation.</summary>
    /// <exception cref="ChatTemplateException">The template is malformed or refuses the conversation.</exception>
    public RenderedPrompt Render(ConversationJson conversation) =>
        TemplateFor(conversation.Input.Tools is not null).RenderPrompt(conversation.HasSpecialTokens
            ? conversation.Input
            : conversation.Input with { SpecialTokens = _specialTokens });

    private ChatTemplate TemplateFor(bool hasTools)
    {
        string name = _chosen ?? _sources.NameFor(hasTools);
        if (_parsed.TryGetValue(name, out ChatTemplate? template))
        {
            return template;
        }

        if (!_sources.ByName.TryGetValue(name, out string? source))
        {
            throw new UsageException(
                $"{_name} has no template named {name}; --template takes {string.Join(", ", _sources.ByName.Keys)}");
        }

        return _parsed[name] =
            ChatTemplate.Parse(source, name == ChatTemplateSources.DefaultName ? _name : $"{_name} {name}");
    }
}

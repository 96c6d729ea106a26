using System.Globalization;
using Octavo.Engine;
using Octavo.Text;
using Octavo.Text.Files;
using Octavo.Text.Templates;

namespace Octavo;

/// <summary>Turns conversations into prompts by a model's chat template.</summary>
internal sealed class ChatPrompts
{
    private const string Messages = "messages";
    private const string NoTokenizerAdvice = "give token ids as a completion's prompt";
    private const string TemplateFiles = "chat_template.jinja, or chat_template in tokenizer_config.json";

    private readonly ChatTemplate _template;
    private readonly ChatTemplate _templateForTools;
    private readonly IReadOnlyDictionary<string, string> _specialTokens;

    /// <summary>Parses the model's template.</summary>
    /// <exception cref="InvalidRequestException">The model has no tokenizer or no chat template.</exception>
    /// <exception cref="ChatTemplateException">The template holds something that is not supported.</exception>
    public ChatPrompts(AsyncEngine engine)
    {
        if (engine.Tokenizer is not { } tokenizer)
        {
            throw new InvalidRequestException(
                Messages, $"{Messages} need a tokenizer, and this engine runs without one: {NoTokenizerAdvice}");
        }

        ChatTemplateSources sources = tokenizer.ChatTemplates;
        if (!sources.ByName.TryGetValue(sources.NameFor(hasTools: false), out string? source))
        {
            throw new InvalidRequestException(
                Messages, $"model {engine.Model.Name} has no chat template ({TemplateFiles}); use completions");
        }

        string name = $"{engine.Model.Name}'s chat template";
        _template = ChatTemplate.Parse(source, name);
        string forTools = sources.NameFor(hasTools: true);
        _templateForTools = forTools == ChatTemplateSources.DefaultName
            ? _template
            : ChatTemplate.Parse(sources.ByName[forTools], $"{name} {forTools}");
        _specialTokens = tokenizer.NamedTokens;
    }

    private ChatPrompts(ChatTemplate template, IReadOnlyDictionary<string, string> specialTokens) =>
        (_template, _templateForTools, _specialTokens) = (template, template, specialTokens);

    /// <summary>The same by another template.</summary>
    /// <exception cref="ChatTemplateException">The template is malformed.</exception>
    public ChatPrompts By(string template, string name) => new(ChatTemplate.Parse(template, name), _specialTokens);

    /// <summary>Whether a template mentions a variable; one that it does not changes no prompt.</summary>
    /// <param name="variable">Its name.</param>
    /// <param name="hasTools">Whether the conversation has tools, for which there may be a template of its own.</param>
    public bool Mentions(string variable, bool hasTools = false) =>
        (hasTools ? _templateForTools : _template).Mentions(variable);

    /// <summary>The prompt of a conversation, ready for the assistant's turn.</summary>
    /// <param name="messages">The conversation so far, at least one message.</param>
    /// <param name="addGenerationPrompt">End with what begins the assistant's turn.</param>
    /// <param name="arguments">Further variables of the template, such as <c>enable_thinking</c>.</param>
    /// <exception cref="ChatTemplateException">The template refuses the conversation.</exception>
    public Prompt Render(
        IReadOnlyList<ChatMessage> messages,
        bool addGenerationPrompt = true,
        IReadOnlyDictionary<string, object?>? arguments = null)
    {
        for (int i = 0; i < messages.Count; i++)
        {
            if (messages[i]?.Role is null || messages[i].Content is null)
            {
                throw new ArgumentException(
                    string.Create(CultureInfo.InvariantCulture, $"message {i} is null, or its role or content is"),
                    nameof(messages));
            }
        }

        if (messages.Count == 0)
        {
            throw new InvalidRequestException("messages", $"messages must hold at least one message");
        }

        return Prompt.FromRendered(_template.Render(messages, addGenerationPrompt, _specialTokens, arguments));
    }

    /// <summary>
    /// The prompt of a conversation with all that a template can be given; the special tokens are added.
    /// </summary>
    /// <exception cref="ChatTemplateException">The template refuses the conversation.</exception>
    public Prompt Render(TemplateInput input) => Prompt.FromRendered(
        (input.Tools is null ? _template : _templateForTools)
            .RenderPrompt(input with { SpecialTokens = _specialTokens }));
}

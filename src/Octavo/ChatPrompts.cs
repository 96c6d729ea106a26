using System.Globalization;
using Octavo.Engine;
using Octavo.Text;

namespace Octavo;

/// <summary>Turns conversations into prompts by a model's chat template.</summary>
internal sealed class ChatPrompts
{
    private const string Messages = "messages";
    private const string NoTokenizerAdvice = "give token ids as a completion's prompt";
    private const string TemplateFiles = "chat_template.jinja, or chat_template in tokenizer_config.json";

    private readonly ChatTemplate _template;
    private readonly Dictionary<string, string> _variables = new(StringComparer.Ordinal);

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

        if (tokenizer.ChatTemplateSource is not { } source)
        {
            throw new InvalidRequestException(
                Messages, $"model {engine.Model.Name} has no chat template ({TemplateFiles}); use completions");
        }

        _template = ChatTemplate.Parse(source, $"{engine.Model.Name}'s chat template");
        foreach ((string name, string token) in tokenizer.NamedTokens)
        {
            _variables[name] = token;
        }
    }

    /// <summary>Whether the template mentions a variable; one that it does not changes no prompt.</summary>
    public bool Mentions(string variable) => _template.Mentions(variable);

    /// <summary>The prompt of a conversation, ready for the assistant's turn.</summary>
    /// <param name="messages">The conversation so far, at least one message.</param>
    /// <param name="addGenerationPrompt">End with what begins the assistant's turn.</param>
    /// <param name="arguments">Further variables of the template, such as <c>enable_thinking</c>.</param>
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

        // As in vLLM: a template writes its special tokens itself, so none are added.
        return Prompt.FromText(
            _template.Render(messages, addGenerationPrompt, _variables, arguments)) with
        { AddSpecialTokens = false };
    }
}

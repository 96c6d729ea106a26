using System.Text.RegularExpressions;
using Octavo.Text.Prompts;
using Octavo.Text.Templates;

namespace Octavo.Text;

/// <summary>
/// Turns a conversation into the text a model was trained on, by a chat template in Jinja: the language of Jinja 3.1 in
/// the environment of transformers 5.24 (<c>trim_blocks</c>, <c>lstrip_blocks</c>, loop controls, the immutable
/// sandbox, <c>tojson</c>, <c>raise_exception</c>, <c>strftime_now</c>, <c>generation</c>). Immutable: one instance
/// serves all threads. A run is bounded in steps, depth and text (<see cref="Renderer"/>).
/// </summary>
internal sealed class ChatTemplate
{
    private readonly Body _body;
    private readonly IReadOnlyDictionary<string, BlockStatement> _blocks;
    private readonly string _source;
    private readonly string _sourceName;

    private ChatTemplate(
        Body body, IReadOnlyDictionary<string, BlockStatement> blocks, string source, string sourceName) =>
        (_body, _blocks, _source, _sourceName) = (body, blocks, source, sourceName);

    /// <summary>Reads a template.</summary>
    /// <param name="source">The template in Jinja.</param>
    /// <param name="sourceName">What errors call it: a file's path, say.</param>
    /// <exception cref="ChatTemplateException">It is malformed.</exception>
    public static ChatTemplate Parse(string source, string sourceName)
    {
        string text = Lexer.NormalizeLines(source);
        try
        {
            (Body body, IReadOnlyDictionary<string, BlockStatement> blocks) = Parser.Parse(text);
            return new ChatTemplate(body, blocks, text, sourceName);
        }
        catch (TemplateFault fault)
        {
            throw fault.In(sourceName, text, 0);
        }
        catch (RegexMatchTimeoutException)
        {
            throw new ChatTemplateException(sourceName, "a literal takes too long to read");
        }
    }

    /// <summary>The prompt for a conversation of plain messages.</summary>
    /// <param name="messages">The conversation, seen by the template as <c>messages</c>.</param>
    /// <param name="addGenerationPrompt">Seen as <c>add_generation_prompt</c>: whether to open the answer.</param>
    /// <param name="variables">Further names, such as <c>bos_token</c>.</param>
    /// <param name="arguments">Further names that the caller gives.</param>
    /// <exception cref="ChatTemplateException">The template refuses the conversation or computes nonsense.</exception>
    public RenderedPrompt Render(
        IReadOnlyList<ChatMessage> messages,
        bool addGenerationPrompt,
        IReadOnlyDictionary<string, string>? variables = null,
        IReadOnlyDictionary<string, object?>? arguments = null) => RenderPrompt(new TemplateInput
        {
            Messages = [.. messages.Select(ToValue)],
            AddGenerationPrompt = addGenerationPrompt,
            SpecialTokens = variables ?? new Dictionary<string, string>(),
            Arguments = arguments ?? new Dictionary<string, object?>(),
        });

    /// <summary>The text of the prompt for a conversation.</summary>
    /// <exception cref="ChatTemplateException">The template refuses the conversation or computes nonsense.</exception>
    public string Render(TemplateInput input) => RenderPrompt(input).Text;

    /// <summary>The prompt for a conversation, for a tokenizer.</summary>
    /// <exception cref="ChatTemplateException">The template refuses the conversation or computes nonsense.</exception>
    public RenderedPrompt RenderPrompt(TemplateInput input)
    {
        if (input is { AddGenerationPrompt: true, ContinueFinalMessage: not null })
        {
            throw new ChatTemplateException(
                _sourceName, "continue_final_message and add_generation_prompt exclude each other");
        }

        try
        {
            List<object?> messages = MessagePreparation.Prepare(input.Messages);
            string? final = input.ContinueFinalMessage is { } field
                ? MessagePreparation.MarkFinal(messages, field, _source)
                : null;
            var renderer = new Renderer(input.Time, _blocks);
            MessagePreparation.AdoptRoles(messages, renderer.Provenance);
            Dictionary<string, object?> variables = Variables(input, renderer.Provenance);
            variables["messages"] = messages;
            variables["tools"] = TemplateJson.FromPlain(input.Tools);
            variables["documents"] = TemplateJson.FromPlain(input.Documents);
            variables["add_generation_prompt"] = input.AddGenerationPrompt;
            RenderedPrompt prompt = Run(renderer, variables);
            return final is null ? prompt : MessagePreparation.CutAtMark(prompt, final);
        }
        catch (TemplateFault fault)
        {
            throw new ChatTemplateException(_sourceName, fault.Message);
        }
    }

    /// <summary>What the template writes with nothing but these variables.</summary>
    /// <exception cref="ChatTemplateException">The template raises, or computes nonsense.</exception>
    public string RenderWith(IReadOnlyDictionary<string, object?> variables, TimeProvider time) =>
        Run(new Renderer(time, _blocks), variables).Text;

    private RenderedPrompt Run(Renderer renderer, IReadOnlyDictionary<string, object?> variables)
    {
        try
        {
            return renderer.Run(_body, variables);
        }
        catch (TemplateFault fault)
        {
            throw fault.In(_sourceName, _source, renderer.Position);
        }
        catch (RegexMatchTimeoutException)
        {
            throw new TemplateFault("a filter takes too long over a text")
                .In(_sourceName, _source, renderer.Position);
        }
    }

    /// <summary>
    /// Whether a name stands anywhere in the template; one that does not cannot change what it makes.
    /// </summary>
    public bool Mentions(string name)
    {
        for (int at = _source.IndexOf(name, StringComparison.Ordinal);
            at >= 0;
            at = _source.IndexOf(name, at + 1, StringComparison.Ordinal))
        {
            int end = at + name.Length;
            if ((at == 0 || !IsOfName(_source[at - 1])) && (end == _source.Length || !IsOfName(_source[end])))
            {
                return name.Length > 0;
            }
        }

        return false;

        static bool IsOfName(char c) => char.IsLetterOrDigit(c) || c == '_';
    }

    private static Dictionary<string, object?> Variables(TemplateInput input, Provenance provenance)
    {
        Dictionary<string, object?> variables = new(StringComparer.Ordinal);
        foreach ((string name, string token) in input.SpecialTokens)
        {
            variables[name] = provenance.Adopt(token);
        }

        foreach ((string name, object? value) in input.Arguments)
        {
            variables[name] = TemplateJson.FromPlain(value);
        }

        return variables;
    }

    private static object? ToValue(ChatMessage message) => new Dictionary<string, object?>(StringComparer.Ordinal)
    {
        ["role"] = message.Role,
        ["content"] = message.Content,
    };
}

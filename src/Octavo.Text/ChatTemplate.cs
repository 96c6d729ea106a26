using Octavo.Text.Templates;

namespace Octavo.Text;

/// <summary>
/// Turns a conversation into the text a model was trained on, by a chat template in a subset of Jinja with the
/// settings of Hugging Face (trim_blocks and lstrip_blocks on). Immutable: one instance serves all threads.
/// </summary>
/// <remarks>
/// Supported: text; <c>{{ … }}</c>, <c>{% for … in … %}</c> with <c>loop.index</c>, <c>index0</c>, <c>first</c>,
/// <c>last</c>, <c>length</c>; <c>if</c>, <c>elif</c>, <c>else</c>; <c>set</c>; comments; whitespace control.
/// Expressions: literals, names, members, indices, slices, <c>+ - * % ~</c>, comparisons, <c>in</c>,
/// <c>and or not</c>, <c>a if b else c</c>, the tests <c>defined</c>, <c>undefined</c>, <c>none</c>, <c>string</c>, the
/// filters <c>trim</c>, <c>upper</c>, <c>lower</c>, <c>length</c>, and <c>raise_exception(…)</c>.
/// </remarks>
internal sealed class ChatTemplate
{
    private readonly Block _root;
    private readonly string _source;
    private readonly string _sourceName;

    private ChatTemplate(Block root, string source, string sourceName)
    {
        _root = root;
        _source = source;
        _sourceName = sourceName;
    }

    /// <summary>Reads a template.</summary>
    /// <param name="source">The template in Jinja.</param>
    /// <param name="sourceName">What errors call it: a file's path, say.</param>
    /// <exception cref="ChatTemplateException">It is malformed or uses an unsupported construct.</exception>
    public static ChatTemplate Parse(string source, string sourceName)
    {
        return new ChatTemplate(new TemplateParser(source, sourceName).ParseTemplate(), source, sourceName);
    }

    /// <summary>The prompt for a conversation.</summary>
    /// <param name="messages">The conversation, seen by the template as <c>messages</c>.</param>
    /// <param name="addGenerationPrompt">Seen as <c>add_generation_prompt</c>: whether to open the answer.</param>
    /// <param name="variables">Further names, such as <c>bos_token</c>.</param>
    /// <param name="arguments">
    /// Further names that the caller gives: null, bool, long, string, and lists and maps of these
    /// (<c>List&lt;object?&gt;</c>, <c>Dictionary&lt;string, object?&gt;</c>).
    /// </param>
    /// <exception cref="ChatTemplateException">The template refuses the conversation or computes nonsense.</exception>
    public string Render(
        IReadOnlyList<ChatMessage> messages,
        bool addGenerationPrompt,
        IReadOnlyDictionary<string, string>? variables = null,
        IReadOnlyDictionary<string, object?>? arguments = null)
    {
        Dictionary<string, object?> names = new(StringComparer.Ordinal);
        foreach ((string name, string value) in variables ?? new Dictionary<string, string>())
        {
            names[name] = value;
        }

        foreach ((string name, object? value) in arguments ?? new Dictionary<string, object?>())
        {
            names[name] = value;
        }

        names["messages"] = messages.Select(ToValue).ToList();
        names["add_generation_prompt"] = addGenerationPrompt;
        return new TemplateEvaluator(_sourceName, names).Run(_root);
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

    private static object? ToValue(ChatMessage message) => new Dictionary<string, object?>(StringComparer.Ordinal)
    {
        ["role"] = message.Role,
        ["content"] = message.Content,
    };
}

using Octavo.Text.Prompts;

namespace Octavo.Text.Templates;

/// <summary>
/// Prepares a conversation as transformers 5.24 does: keys whose value is null are dropped; a message's reasoning, by
/// whatever name it came, is there as <c>thinking</c> and as <c>reasoning_content</c>; a final message that is to go on
/// carries a mark, at which the prompt is cut.
/// </summary>
internal static class MessagePreparation
{
    private const string Mark = "CONTINUE_FINAL_MESSAGE_TAG ";

    private const string Role = "role";

    private static readonly string[] ReasoningFields = ["reasoning_content", "thinking", "reasoning"];

    public static List<object?> Prepare(IEnumerable<object?> messages) => [.. messages.Select(m => Prepare(
        TemplateJson.FromPlain(m) as PyDict ?? throw new TemplateFault("each message must be a map")))];

    /// <summary>Marks the end of the final message.</summary>
    /// <param name="messages">Prepared messages; the last is replaced by its marked form.</param>
    /// <param name="field">The field that goes on.</param>
    /// <param name="source">The template.</param>
    /// <returns>The text that goes on, without the mark.</returns>
    public static string MarkFinal(List<object?> messages, string field, string source)
    {
        PyDict final = messages.Count > 0
            ? new PyDict(((PyDict)messages[^1]!).Entries)
            : throw new TemplateFault("continue_final_message is set, and there are no messages");
        if (!final.TryGetValue(field, out object? content) || content is null)
        {
            throw new TemplateFault(
                $"continue_final_message is set, and the final message has no '{field}' to continue");
        }

        string[] fields = ReasoningFields.Contains(field, StringComparer.Ordinal)
            ? [.. ReasoningFields.Where(f => final.TryGetValue(f, out object? v) && Comparison.AreEqual(v, content))]
            : [field];
        if (!Array.Exists(fields, f => source.Contains(f, StringComparison.Ordinal)))
        {
            throw new TemplateFault($"continue_final_message: the template does not use the field '{field}'");
        }

        messages[^1] = final;
        if (content is List<object?> parts)
        {
            (final[field], string last) = MarkLastText(parts);
            return last;
        }

        string text = content as string ?? throw new TemplateFault($"the final message's '{field}' is no text");
        foreach (string name in fields)
        {
            final[name] = text + Mark;
        }

        return text;
    }

    /// <summary>The prompt up to the end of the final message.</summary>
    public static RenderedPrompt CutAtMark(RenderedPrompt prompt, string final)
    {
        string rendered = prompt.Text;
        string word = Mark.TrimEnd();
        int at = rendered.LastIndexOf(word, StringComparison.Ordinal);
        if (at < 0 || !rendered.Contains(PythonText.Trim(final), StringComparison.Ordinal))
        {
            throw new TemplateFault(
                "continue_final_message is set, and the template does not write the final message as it stands");
        }

        // Where the template trimmed the message, its own blanks at the end go too.
        bool keepsSpace = rendered.AsSpan(at).StartsWith(Mark);
        return prompt.CutAt(keepsSpace ? at : PythonText.TrimEnd(rendered[..at]).Length);
    }

    /// <summary>
    /// Lets the template write the roles as its own: many make a special token of them (<c>&lt;|user|&gt;</c>). What
    /// is no plain name stays the conversation's.
    /// </summary>
    public static void AdoptRoles(List<object?> messages, Provenance provenance)
    {
        foreach (PyDict message in messages.Cast<PyDict>())
        {
            if (message.TryGetValue(Role, out object? role) && role is string name && name.All(IsOfName))
            {
                message[Role] = provenance.Adopt(name);
            }
        }

        static bool IsOfName(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '-';
    }

    private static PyDict Prepare(PyDict message)
    {
        object? reasoning = ReasoningFields
            .Select(f => message.TryGetValue(f, out object? value) ? value : null)
            .FirstOrDefault(v => v is not null);
        PyDict prepared = new();
        if (reasoning is not null)
        {
            prepared["thinking"] = reasoning;
        }

        foreach ((object? key, object? value) in message.Entries.Where(e => e.Value is not null))
        {
            prepared[key] = value;
        }

        if (reasoning is not null)
        {
            prepared["reasoning_content"] = reasoning;
        }

        return prepared;
    }

    private static (List<object?> Parts, string Text) MarkLastText(List<object?> parts)
    {
        int last = parts.FindLastIndex(p => p is PyDict part && part.TryGetValue("text", out _));
        if (last < 0 || parts[last] is not PyDict found || !found.TryGetValue("text", out object? value)
            || value is not string text)
        {
            throw new TemplateFault("continue_final_message is set, and the final message has no text to continue");
        }

        PyDict marked = new(found.Entries) { ["text"] = text + Mark };
        return ([.. parts[..last], marked, .. parts[(last + 1)..]], text);
    }
}

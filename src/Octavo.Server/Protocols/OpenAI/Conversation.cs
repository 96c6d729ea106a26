using Octavo.Text;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>The part of a body that a chat template turns into a prompt; chats and /tokenize have it.</summary>
internal sealed class Conversation
{
    private static readonly FieldTable<MessageParts> MessageFields = new()
    {
        { "role", (m, v) => m.Role = v.Text() },
        { "content", (m, v) => m.Content = ReadContent(v) },
        { "tool_calls", Refusal.Always },
        { "function_call", Refusal.Always },
        { "tool_call_id", Refusal.Always },
        { "tool_name", Refusal.Always },
        { "audio", Refusal.Always },
        { "images", Refusal.Always },
        { "image", Refusal.Always },
        { "image_url", Refusal.Always },
        { "video", Refusal.Always },
        { "videos", Refusal.Always },
        { "audios", Refusal.Always },
        { "file", Refusal.Always },
        { "files", Refusal.Always },
        { "documents", Refusal.Always },
        { "tools", Refusal.Always },
        { "prefix", Refusal.Instead("use continue_final_message") },
        { "partial", Refusal.Instead("use continue_final_message") },

        // Templates see roles and contents alone.
        { "name", Refusal.Never },
        { "refusal", Refusal.Never },
        { "annotations", Refusal.Never },
        { "reasoning", Refusal.Never },
        { "reasoning_content", Refusal.Never },
        { "thinking", Refusal.Never },
        { "cache_control", Refusal.Quiet },
        { "weight", Refusal.Quiet },
    };

    // What has fields of its own, or is no template's affair.
    private static readonly string[] NotByKwargs =
        [
            "messages", "add_generation_prompt", "continue_final_message", "chat_template", "tools", "documents",
            "tokenize", "reasoning_effort"
        ];

    // What parts of other types hold, and one of text could hold besides.
    private static readonly string[] Media =
        ["image_url", "image", "video_url", "video", "audio_url", "audio", "input_audio", "file", "document", "source"];

    public static FieldTable<ChatRequest> Fields { get; } = Bind<ChatRequest>(r => r.Conversation);

    public IReadOnlyList<ChatMessage> Messages { get; set; } = [];

    public bool AddGenerationPrompt { get; set; } = true;

    public bool ContinueFinalMessage { get; set; }

    /// <summary>How much the model is to think, for templates that know of it.</summary>
    public string? ReasoningEffort { get; set; }

    /// <summary>Further variables of the template.</summary>
    public Dictionary<string, object?> Arguments { get; } = new(StringComparer.Ordinal);

    /// <summary>Whose turn the answer is.</summary>
    public string ResponseRole => AddGenerationPrompt ? "assistant" : Messages[^1].Role;

    /// <summary>The table's lines, for a request that holds a conversation.</summary>
    public static FieldTable<T> Bind<T>(Func<T, Conversation> conversationOf)
        where T : class => new()
        {
            { "messages", (r, v) => conversationOf(r).Messages = [.. v.Items().Select(ReadMessage)] },
            { "add_generation_prompt", (r, v) => conversationOf(r).AddGenerationPrompt = v.Bool() },
            { "continue_final_message", (r, v) => conversationOf(r).ContinueFinalMessage = v.Bool() },
            { "chat_template", Refusal.Always },
            { "chat_template_kwargs", (r, v) => conversationOf(r).ReadArguments(v) },
            { "reasoning_effort", (r, v) => conversationOf(r).ReasoningEffort =
                v.OneOf("none", "minimal", "low", "medium", "high", "xhigh", "max") },
            { "documents", Refusal.Always },
        };

    public void Check()
    {
        ApiException.ThrowIf(Messages.Count == 0, "messages", "messages is required: a list of at least one message");

        ApiException.ThrowIf(
            ContinueFinalMessage && AddGenerationPrompt,
            "continue_final_message", "continue_final_message needs add_generation_prompt to be false");
    }

    /// <summary>The prompt, through the model's template.</summary>
    /// <param name="prompts">The template.</param>
    /// <param name="notes">Hear of what the template has no use for.</param>
    public string Render(ChatPrompts prompts, FieldNotes? notes = null)
    {
        AddReasoningEffort(prompts, notes);
        foreach (string name in Arguments.Keys.Where(name => !prompts.Mentions(name)))
        {
            notes?.AddWithoutEffect("chat_template_kwargs." + name);
        }

        string text = prompts.Render(Messages, AddGenerationPrompt, Arguments).Text!;
        return ContinueFinalMessage ? CutAfterFinalMessage(text) : text;
    }

    // As in vLLM: templates that know no effort may still know whether to think at all.
    private void AddReasoningEffort(ChatPrompts prompts, FieldNotes? notes)
    {
        if (ReasoningEffort is not { } effort)
        {
            return;
        }

        const string EffortName = "reasoning_effort", SwitchName = "enable_thinking";
        bool knowsSwitch = prompts.Mentions(SwitchName) && !Arguments.ContainsKey(SwitchName);
        if (!prompts.Mentions(EffortName) && !knowsSwitch)
        {
            notes?.AddWithoutEffect(EffortName);
            return;
        }

        Arguments[EffortName] = effort;
        if (knowsSwitch)
        {
            Arguments[SwitchName] = effort != "none";
        }
    }

    private void ReadArguments(JsonValue value)
    {
        foreach ((string name, JsonValue member) in value.Members())
        {
            if (NotByKwargs.Contains(name, StringComparer.Ordinal))
            {
                throw ApiException.NotSupported(member.Path, "it is a field of the body, where it is supported");
            }

            Arguments[name] = ReadArgument(member);
        }
    }

    // What templates compute with: they know no fractions.
    private static object? ReadArgument(JsonValue value) => value.Plain() switch
    {
        double =>
            throw value.Error("must be a string, a whole number, true, false or null, or a list or an object of these"),
        List<object?> => value.Items().Select(ReadArgument).ToList(),
        Dictionary<string, object?> => value.Map(ReadArgument),
        var plain => plain,
    };

    // Whatever the template puts after the last message closes its turn, which is to go on; as in Hugging Face.
    private string CutAfterFinalMessage(string text)
    {
        string final = Messages[^1].Content;
        int at = text.LastIndexOf(final.Trim(), StringComparison.Ordinal);
        ApiException.ThrowIf(
            at < 0,
            "continue_final_message",
                "continue_final_message: the chat template does not write the final message as it stands");

        string whole = final.TrimStart();
        bool keepsItsEnd = text.AsSpan(at).StartsWith(whole, StringComparison.Ordinal);
        return text[..(at + (keepsItsEnd ? whole : final.Trim()).Length)];
    }

    private static ChatMessage ReadMessage(JsonValue value)
    {
        var parts = new MessageParts();
        MessageFields.Read(value, parts);
        string role = parts.Role ?? throw value.Error("must have a role");
        return new ChatMessage(role, parts.Content ?? throw value.Error("must have a content"));
    }

    private static string ReadContent(JsonValue value)
    {
        if (value.IsString)
        {
            return value.Text();
        }

        if (!value.IsArray)
        {
            throw value.Error("must be a string or a list of parts");
        }

        return ChatMessage.JoinParts(value.Items().Select(ReadPart));
    }

    private static string ReadPart(JsonValue part)
    {
        if (part.IsString)
        {
            return part.Text();
        }

        string? type = null;
        JsonValue? text = null;
        foreach ((string name, JsonValue value) in part.Members())
        {
            type = name == "type" ? value.Text() : type;
            text = name is "text" or "refusal" ? value : text;
            if (Media.Contains(name, StringComparer.Ordinal) && !value.IsEmpty)
            {
                throw ApiException.NotSupported(value.Path);
            }

            if (name is not ("type" or "text" or "refusal"))
            {
                part.Notes?.AddUnknown(value.Path);
            }
        }

        return type switch
        {
            "text" or "input_text" or "output_text" or "refusal" =>
                (text ?? throw part.Error("must have a text")).Text(),
            null => throw part.Error("must have a type"),
            _ => throw ApiException.BadRequest(
                $"{part.Path}.type",
                $"{part.Path}.type: parts of type \"{type}\" are not supported; supported: text",
                "unsupported_parameter"),
        };
    }

    private sealed class MessageParts
    {
        public string? Role { get; set; }

        public string? Content { get; set; }
    }
}

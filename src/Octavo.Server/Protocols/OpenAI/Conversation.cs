using Octavo.Text;
using Octavo.Text.Templates;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>The part of a body that a chat template turns into a prompt; chats and /tokenize have it.</summary>
internal sealed class Conversation
{
    private static readonly FieldTable<MessageParts> MessageFields = new()
    {
        { "role", (m, v) => m.Role = v.Text() },
        { "content", (m, v) => m.Content = v.IsNull ? null : ReadContent(v) },
        { "tool_calls", (m, v) => m.TakeNeeded("tool_calls", v, ToolParts.ReadCalls) },
        { "function_call", Refusal.Instead("use tool_calls") },
        { "tool_call_id", (m, v) => m.Take("tool_call_id", v) },
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

        { "name", (m, v) => m.Take("name", v) },
        { "reasoning", (m, v) => m.TakeReasoning("reasoning", v) },
        { "reasoning_content", (m, v) => m.TakeReasoning("reasoning_content", v) },
        { "thinking", (m, v) => m.TakeReasoning("thinking", v) },
        { "refusal", Refusal.Never },
        { "annotations", Refusal.Never },
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

    private List<ConversationMessage> _messages = [];
    private List<object?>? _tools;
    private List<object?>? _documents;

    public IReadOnlyList<ConversationMessage> Messages => _messages;

    public bool AddGenerationPrompt { get; set; } = true;

    public bool ContinueFinalMessage { get; set; }

    /// <summary>A template in place of the model's.</summary>
    public string? ChatTemplate { get; set; }

    /// <summary>Whether special tokens that the conversation spells out are text.</summary>
    public bool SplitSpecialTokens { get; set; } = true;

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
            { "messages", (r, v) => conversationOf(r)._messages = [.. v.Items().Select(ReadMessage)] },
            { "add_generation_prompt", (r, v) => conversationOf(r).AddGenerationPrompt = v.Bool() },
            { "continue_final_message", (r, v) => conversationOf(r).ContinueFinalMessage = v.Bool() },
            { "chat_template", (r, v) => conversationOf(r).ChatTemplate = v.IsEmpty ? null : v.Text() },
            { "chat_template_kwargs", (r, v) => conversationOf(r).ReadArguments(v) },
            { "reasoning_effort", (r, v) => conversationOf(r).ReasoningEffort =
                v.OneOf("none", "minimal", "low", "medium", "high", "xhigh", "max") },
            { "split_special_tokens", (r, v) => conversationOf(r).SplitSpecialTokens = v.Bool() },
            { "documents", (r, v) => conversationOf(r)._documents = ReadMaps(v) },
            { "tools", (r, v) => conversationOf(r)._tools = ReadMaps(v) },
        };

    public void Check()
    {
        ApiException.ThrowIf(Messages.Count == 0, "messages", "messages is required: a list of at least one message");

        ApiException.ThrowIf(
            ContinueFinalMessage && AddGenerationPrompt,
            "continue_final_message", "continue_final_message needs add_generation_prompt to be false");
    }

    /// <summary>The prompt, through the model's template or the body's.</summary>
    /// <param name="prompts">The model's template.</param>
    /// <param name="notes">Hear of what the template has no use for.</param>
    public Prompt Render(ChatPrompts prompts, FieldNotes? notes = null)
    {
        prompts = ChatTemplate is null ? prompts : ByOwnTemplate(prompts);
        AddReasoningEffort(prompts, notes);
        CheckMentioned(prompts, notes);
        ToolParts.CheckTools(_tools ?? []);
        return prompts.Render(new TemplateInput
        {
            Messages = [.. _messages.Select(m => m.Fields)],
            Tools = _tools,
            Documents = _documents,
            AddGenerationPrompt = AddGenerationPrompt,
            ContinueFinalMessage = ContinueFinalMessage ? "content" : null,
            Arguments = Arguments,
        }) with
        { SplitSpecialTokens = SplitSpecialTokens };
    }

    private ChatPrompts ByOwnTemplate(ChatPrompts prompts)
    {
        const string Field = "chat_template";
        try
        {
            return prompts.By(ChatTemplate!, Field);
        }
        catch (ChatTemplateException e)
        {
            throw ApiException.BadRequest(Field, e.Message);
        }
    }

    // What a template has no place for is refused where the answer would have been another with it.
    private void CheckMentioned(ChatPrompts prompts, FieldNotes? notes)
    {
        foreach (MentionedField field in _messages.SelectMany(m => m.Mentioned)
            .Concat(Arguments.Keys.Select(name => new MentionedField("chat_template_kwargs." + name, [name], false)))
            .Concat(_tools is null ? [] : [new MentionedField("tools", ["tools"], true)])
            .Concat(_documents is null ? [] : [new MentionedField("documents", ["documents"], true)]))
        {
            if (Array.Exists(field.Names, name => prompts.Mentions(name, _tools is not null)))
            {
                continue;
            }

            if (field.IsNeeded)
            {
                throw ApiException.NotSupported(field.Path, "the chat template does not mention it");
            }

            notes?.AddWithoutEffect(field.Path);
        }
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

            Arguments[name] = member.Plain();
        }
    }

    private static ConversationMessage ReadMessage(JsonValue value)
    {
        var parts = new MessageParts();
        MessageFields.Read(value, parts);
        string role = parts.Role ?? throw value.Error("must have a role");

        // As in vLLM: an answer that only calls tools has an empty content.
        string content = parts.Content
            ?? (parts.Fields.ContainsKey("tool_calls") ? string.Empty : throw value.Error("must have a content"));
        Dictionary<string, object?> fields =
            new(StringComparer.Ordinal) { ["role"] = role, ["content"] = content };
        foreach ((string name, object? field) in parts.Fields)
        {
            fields[name] = field;
        }

        return new ConversationMessage(role, content, fields, parts.Mentioned);
    }

    private static List<object?>? ReadMaps(JsonValue value) =>
        value.IsEmpty ? null : [.. value.Items().Select(item => item.Map(m => m.Plain()))];

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

        public Dictionary<string, object?> Fields { get; } = new(StringComparer.Ordinal);

        public List<MentionedField> Mentioned { get; } = [];

        /// <summary>Takes a text that the template may use.</summary>
        public void Take(string name, JsonValue value) =>
            Take(name, value, v => v.Text(), new MentionedField(value.Path, [name], false));

        /// <summary>Takes a message's reasoning, which templates find by any of its names.</summary>
        public void TakeReasoning(string name, JsonValue value) => Take(
            name,
            value,
            v => v.Text(),
            new MentionedField(value.Path, ["reasoning_content", "thinking", "reasoning"], false));

        /// <summary>Takes what the template must use.</summary>
        public void TakeNeeded(string name, JsonValue value, Func<JsonValue, object?> read) =>
            Take(name, value, read, new MentionedField(value.Path, [name], true));

        private void Take(string name, JsonValue value, Func<JsonValue, object?> read, MentionedField mentioned)
        {
            if (!value.IsEmpty)
            {
                Fields[name] = read(value);
                Mentioned.Add(mentioned);
            }
        }
    }
}

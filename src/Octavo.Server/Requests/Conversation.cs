using Octavo.Server.Http;
using Octavo.Text;

namespace Octavo.Server.Requests;

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
        { "audio", Refusal.Always },
    };

    public static FieldTable<ChatRequest> Fields { get; } = Bind<ChatRequest>(r => r.Conversation);

    public IReadOnlyList<ChatMessage> Messages { get; set; } = [];

    public bool AddGenerationPrompt { get; set; } = true;

    public bool ContinueFinalMessage { get; set; }

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
            { "chat_template_kwargs", Refusal.Always },
            { "documents", Refusal.Always },
        };

    public void Check()
    {
        if (Messages.Count == 0)
        {
            throw ApiException.BadRequest("messages", "messages is required: a list of at least one message");
        }

        if (ContinueFinalMessage && AddGenerationPrompt)
        {
            throw ApiException.BadRequest("continue_final_message", "continue_final_message needs add_generation_prompt to be false");
        }
    }

    /// <summary>The prompt, through the model's template.</summary>
    public string Render(ChatPrompts prompts)
    {
        string text = prompts.Render(Messages, AddGenerationPrompt).Text!;
        return ContinueFinalMessage ? CutAfterFinalMessage(text) : text;
    }

    // Whatever the template puts after the last message closes its turn, which is to go on; as in Hugging Face.
    private string CutAfterFinalMessage(string text)
    {
        string final = Messages[^1].Content;
        int at = text.LastIndexOf(final.Trim(), StringComparison.Ordinal);
        if (at < 0)
        {
            throw ApiException.BadRequest("continue_final_message", "continue_final_message: the chat template does not write the final message as it stands");
        }

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

        // Several texts of one message stand on lines of their own, as in vLLM.
        return string.Join('\n', value.Items().Select(ReadPart));
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
        }

        return type switch
        {
            "text" or "input_text" or "output_text" or "refusal" => (text ?? throw part.Error("must have a text")).Text(),
            null => throw part.Error("must have a type"),
            _ => throw ApiException.BadRequest(
                $"{part.Path}.type", $"{part.Path}.type: parts of type \"{type}\" are not supported; supported: text", "unsupported_parameter"),
        };
    }

    private sealed class MessageParts
    {
        public string? Role { get; set; }

        public string? Content { get; set; }
    }
}

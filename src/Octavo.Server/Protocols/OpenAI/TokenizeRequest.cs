
namespace Octavo.Server.Protocols.OpenAI;

/// <summary>A body of <c>/tokenize</c>: a prompt, or a conversation.</summary>
internal sealed class TokenizeRequest
{
    public static FieldTable<TokenizeRequest> Fields { get; } = new FieldTable<TokenizeRequest>
    {
        { "model", (r, v) => r.Model = v.Text() },
        { "prompt", (r, v) => r.Prompt = v.Text() },
        { "add_special_tokens", (r, v) => r.AddSpecialTokens = v.Bool() },
        { "return_token_strs", (r, v) => r.ReturnTokenStrings = v.Bool() },

        // Those that would change the tokens: vLLM's and llama.cpp's.
        { "mm_processor_kwargs", Refusal.Always },
        { "media_io_kwargs", Refusal.Always },
        { "content", Refusal.Instead("use prompt") },
        { "add_special", Refusal.Instead("use add_special_tokens") },
        { "parse_special", Refusal.UnlessTrue() },
        { "with_pieces", Refusal.Instead("use return_token_strs") },
        { "enable_thinking", Thinking.Read },
        { "thinking", Thinking.Read },
        { "think", Thinking.Read },
        { "reasoning", Thinking.Read },
    }.Include(Conversation.Bind<TokenizeRequest>(r => r.Conversation));

    public string? Model { get; set; }

    public string? Prompt { get; set; }

    /// <summary>Null takes what fits: yes for a prompt, no for a conversation, whose template writes its own.</summary>
    public bool? AddSpecialTokens { get; set; }

    public bool ReturnTokenStrings { get; set; }

    public Conversation Conversation { get; } = new();

    public void Check()
    {
        ApiException.ThrowIf(
            Prompt is null && Conversation.Messages.Count == 0,
            "prompt", "prompt or messages is required: a string, or a list of at least one message");

        if (Prompt is not null && Conversation.Messages.Count > 0)
        {
            throw ApiException.BadRequest("messages", "prompt and messages exclude each other: give one of them");
        }

        if (Prompt is null)
        {
            Conversation.Check();
        }
    }
}

/// <summary>A body of <c>/detokenize</c>.</summary>
internal sealed class DetokenizeRequest
{
    public static FieldTable<DetokenizeRequest> Fields { get; } = new()
    {
        { "model", (r, v) => r.Model = v.Text() },
        { "tokens", (r, v) => r.Tokens = v.Ints() },

        // SGLang's; here the text is whole.
        { "skip_special_tokens", Refusal.Always },
    };

    public string? Model { get; set; }

    public int[]? Tokens { get; set; }
}

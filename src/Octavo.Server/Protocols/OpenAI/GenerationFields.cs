
namespace Octavo.Server.Protocols.OpenAI;

/// <summary>How each field of a request is read: the one place that knows its wire name.</summary>
internal static class GenerationFields
{
    private static readonly FieldTable<GenerationRequest> StreamOptions = new()
    {
        { "include_usage", (r, v) => r.IncludeUsage = v.Bool() },
        { "continuous_usage_stats", (r, v) => r.ContinuousUsage = v.Bool() },
        { "include_obfuscation", (_, v) => v.Bool() },
    };

    private static readonly FieldTable<GenerationRequest> Common = new()
    {
        // What OpenAI has.
        { "model", (r, v) => r.Model = v.Text() },
        { "n", (r, v) => r.Sampling = r.Sampling with { N = v.Int() } },
        { "temperature", (r, v) => r.Sampling = r.Sampling with { Temperature = v.Float() } },
        { "top_p", (r, v) => r.Sampling = r.Sampling with { TopP = v.Float() } },
        { "seed", (r, v) => r.Sampling = r.Sampling with { Seed = v.Long() } },
        { "stop", (r, v) => r.Sampling = r.Sampling with { Stop = v.TextOrTexts() } },
        { "presence_penalty", (r, v) => r.Sampling = r.Sampling with { PresencePenalty = v.Float() } },
        { "frequency_penalty", (r, v) => r.Sampling = r.Sampling with { FrequencyPenalty = v.Float() } },
        { "logit_bias", (r, v) => r.Sampling = r.Sampling with { LogitBias = v.TokenMap() } },
        { "max_tokens", (r, v) => ReadMaxTokens(r, v.Int()) },
        { "stream", (r, v) => r.Stream = v.Bool() },
        { "stream_options", (r, v) => StreamOptions.Read(v, r) },
        { "echo", (r, v) => r.Echo = v.Bool() },

        // What vLLM adds.
        { "top_k", (r, v) => r.Sampling = r.Sampling with { TopK = v.Int() } },
        { "min_p", (r, v) => r.Sampling = r.Sampling with { MinP = v.Float() } },
        { "repetition_penalty", (r, v) => r.Sampling = r.Sampling with { RepetitionPenalty = v.Float() } },
        { "stop_token_ids", (r, v) => r.Sampling = r.Sampling with { StopTokenIds = v.Ints() } },
        { "include_stop_str_in_output", (r, v) => r.Sampling = r.Sampling with { IncludeStopStrInOutput = v.Bool() } },
        { "ignore_eos", (r, v) => r.Sampling = r.Sampling with { IgnoreEos = v.Bool() } },
        { "min_tokens", (r, v) => r.Sampling = r.Sampling with { MinTokens = v.Int() } },
        { "skip_special_tokens", (r, v) => r.Sampling = r.Sampling with { SkipSpecialTokens = v.Bool() } },
        { "spaces_between_special_tokens", (_, v) => v.Bool() }, // tokens are never joined with spaces
        { "prompt_logprobs", (r, v) => r.Sampling = r.Sampling with { PromptLogprobs = v.Int() } },
        { "logprob_token_ids", (r, v) => r.Sampling = r.Sampling with { LogprobTokenIds = v.Ints() } },
        { "allowed_token_ids", (r, v) => r.Sampling = r.Sampling with { AllowedTokenIds = v.Ints() } },
        { "bad_words", (r, v) => r.Sampling = r.Sampling with { BadWords = v.Texts() } },
        { "thinking_token_budget", (r, v) => r.Sampling = r.Sampling with { ThinkingTokenBudget = v.Int() } },
        { "repetition_detection", (r, v) => r.Sampling =
            r.Sampling with { RepetitionDetection = ReadRepetitionDetection(v) } },
        { "skip_reading_prefix_cache", (r, v) => r.Sampling = r.Sampling with { SkipReadingPrefixCache = v.Bool() } },
        { "vllm_xargs", (r, v) => r.Sampling = r.Sampling with { ExtraArgs = v.Map(m => m.Plain()) } },
        { "truncate_prompt_tokens", (r, v) => r.TruncatePromptTokens = v.Int() is >= 1 or -1
            ? v.Int()
            : throw v.Error("must be -1 (the model's length), or at least 1") },
        { "truncation_side", (r, v) => r.TruncateRight = v.OneOf("left", "right") == "right" },
        { "use_beam_search", (r, v) => r.UseBeamSearch = v.Bool() },
        { "length_penalty", (r, v) => r.LengthPenalty = v.Double() },
        { "priority", (r, v) => r.Options = r.Options with { Priority = v.Int() } },
        { "request_id", (r, v) => r.Options = r.Options with { RequestId = NotEmpty(v) } },
        { "cache_salt", (r, v) => r.Options = r.Options with { CacheSalt = NotEmpty(v) } },
        { "return_token_ids", (r, v) => r.ReturnTokenIds = v.Bool() },
        { "return_tokens_as_token_ids", (r, v) => r.ReturnTokensAsTokenIds = v.Bool() },
        { "add_special_tokens", (r, v) => r.AddSpecialTokens = v.Bool() },

        { "stream_interval", (r, v) => r.Sampling = r.Sampling with { StreamInterval = v.Int() } },
        { "response_format", (_, v) => ReadResponseFormat(v) },
    };

    /// <summary>The fields of <c>/v1/completions</c>.</summary>
    public static FieldTable<CompletionRequest> Completion { get; } = new FieldTable<CompletionRequest>
    {
        { "prompt", (r, v) => r.Prompts = PromptReader.Read(v) },
        { "logprobs", (r, v) => r.Sampling = r.Sampling with { Logprobs = v.Int() } },
        { "best_of", (r, v) => r.BestOf = v.Int() },
    }.Include(Common).Include(ForeignFields.Table);

    /// <summary>The fields of <c>/v1/chat/completions</c>.</summary>
    public static FieldTable<ChatRequest> Chat { get; } = new FieldTable<ChatRequest>
    {
        { "max_completion_tokens", (r, v) => (r.MaxTokens, r.MaxTokensField) = (v.Int(), "max_completion_tokens") },
        { "logprobs", (r, v) => r.Logprobs = v.Bool() },
        { "top_logprobs", (r, v) => r.TopLogprobs = v.Int() },
        { "tool_choice", (r, v) => r.ToolChoice = ReadToolChoice(v) },
        { "function_call", (r, v) => r.FunctionCall = ReadToolChoice(v) },
        { "modalities", (_, v) => ReadModalities(v) },
    }.Include(Conversation.Fields).Include(Common).Include(ForeignFields.Table);

    // OpenAI's newer name goes before, whichever comes first.
    private static void ReadMaxTokens(GenerationRequest request, int asked) =>
        request.MaxTokens = request.MaxTokensField == "max_tokens" ? asked : request.MaxTokens;

    // "none" is what happens without tools; "auto" leaves it to the model, which must have some.
    private static string ReadToolChoice(JsonValue value)
    {
        Refusal.Unless("none", "auto")(value, value);
        return value.Text();
    }

    private static void ReadResponseFormat(JsonValue value)
    {
        string? type = value.Members().Where(m => m.Name == "type").Select(m => m.Value.Text()).LastOrDefault();
        if (type != "text")
        {
            throw ApiException.NotSupported(value.Path, """supported: {"type": "text"}""");
        }
    }

    private static void ReadModalities(JsonValue value)
    {
        if (value.Texts() is not ["text"])
        {
            throw ApiException.NotSupported(value.Path, """supported: ["text"]""");
        }
    }

    private static RepetitionDetection ReadRepetitionDetection(JsonValue value)
    {
        var result = new RepetitionDetection(0);
        foreach ((string name, JsonValue member) in value.Members())
        {
            result = name switch
            {
                "max_pattern_size" => result with { MaxPatternSize = member.Int() },
                "min_pattern_size" => result with { MinPatternSize = member.Int() },
                "min_count" => result with { MinCount = member.Int() },
                _ => throw member.Error("is unknown; known: max_pattern_size, min_pattern_size, min_count"),
            };
        }

        return result;
    }

    private static string NotEmpty(JsonValue value) =>
        value.Text() is { Length: > 0 } text ? text : throw value.Error("must not be empty");
}

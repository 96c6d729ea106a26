
namespace Octavo.Server.Protocols.OpenAI;

/// <summary>What completions and chats have in common.</summary>
internal abstract class GenerationRequest(SamplingParams defaults)
{
    // Beam search takes no notice of these, so a request that sets one must not seem to have had its way. What says
    // nothing, which clients send by default, may stand.
    private static readonly (string Field, Func<SamplingParams, bool> Says)[] NotWithBeamSearch =
    [
        ("stop", p => p.Stop.Count > 0),
        ("stop_token_ids", p => p.StopTokenIds.Count > 0),
        ("min_tokens", p => p.MinTokens != 0),
        ("logprob_token_ids", p => p.LogprobTokenIds is { Count: > 0 }),
        ("prompt_logprobs", p => p.PromptLogprobs is not null),
        ("logit_bias", p => p.LogitBias is { Count: > 0 }),
        ("allowed_token_ids", p => p.AllowedTokenIds is not null),
        ("bad_words", p => p.BadWords is { Count: > 0 }),
        ("presence_penalty", p => p.PresencePenalty != 0),
        ("frequency_penalty", p => p.FrequencyPenalty != 0),
        ("repetition_penalty", p => p.RepetitionPenalty != 1),
        ("repetition_detection", p => p.RepetitionDetection is not null),
        ("thinking_token_budget", p => p.ThinkingTokenBudget is not null),
        ("vllm_xargs", p => p.ExtraArgs is { Count: > 0 }),
        ("skip_special_tokens", p => !p.SkipSpecialTokens),
        ("include_stop_str_in_output", p => p.IncludeStopStrInOutput),
    ];

    private readonly HashSet<string> _given = new(StringComparer.Ordinal);

    /// <summary>The model's defaults, with what the request says laid over them.</summary>
    public SamplingParams Sampling { get; set; } = defaults;

    public string? Model { get; set; }

    public int? MaxTokens { get; set; }

    /// <summary>The spelling that <see cref="MaxTokens"/> came in.</summary>
    public string MaxTokensField { get; set; } = "max_tokens";

    public bool Stream { get; set; }

    public bool IncludeUsage { get; set; }

    public bool ContinuousUsage { get; set; }

    public bool Echo { get; set; }

    public bool UseBeamSearch { get; set; }

    public double LengthPenalty { get; set; } = 1;

    public int? TruncatePromptTokens { get; set; }

    /// <summary>Keep the prompt's beginning rather than its end.</summary>
    public bool TruncateRight { get; set; }

    public bool AddSpecialTokens { get; set; }

    /// <summary>What it says about itself; the transport knows whose it is.</summary>
    public RequestOptions Options { get; set; } = new();

    public bool ReturnTokenIds { get; set; }

    public bool ReturnTokensAsTokenIds { get; set; }

    /// <summary>What prefixes the answer's id.</summary>
    public abstract string IdPrefix { get; }

    /// <summary>Whether the request asks for the log-probabilities of what is generated.</summary>
    protected abstract bool WantsLogprobs { get; }

    public void Note(string field) => _given.Add(field);

    /// <summary>What the log is to hear of its fields.</summary>
    public FieldNotes Notes { get; } = new();

    public bool Has(string field) => _given.Contains(field);

    /// <summary>What the body calls a parameter.</summary>
    public virtual string NameOf(string parameter) => WireNames.Of(parameter);

    /// <summary>Checks the fields that depend on each other.</summary>
    public virtual void Check()
    {
        ApiException.ThrowIf(
            Has("stream_options") && !Stream, "stream_options", "stream_options needs stream to be true");

        ApiException.ThrowIf(
            ContinuousUsage && !IncludeUsage,
            "stream_options.continuous_usage_stats",
                "stream_options.continuous_usage_stats needs stream_options.include_usage to be true");

        if (Sampling.PromptLogprobs is not null && Stream)
        {
            throw ApiException.BadRequest("prompt_logprobs", "prompt_logprobs is not available with stream");
        }

        if (UseBeamSearch)
        {
            CheckBeamSearch();
        }
    }

    private void CheckBeamSearch()
    {
        ApiException.ThrowIf(
            Stream, "stream", "stream is not available with use_beam_search: beams are only known at the end");

        if (WantsLogprobs)
        {
            throw Unsupported("logprobs");
        }

        // A model's own defaults are no wish of the request's.
        foreach ((string field, Func<SamplingParams, bool> says) in NotWithBeamSearch)
        {
            if (Has(field) && says(Sampling))
            {
                throw Unsupported(field);
            }
        }

        static ApiException Unsupported(string field) =>
            ApiException.BadRequest(field, $"{field} is not supported with use_beam_search");
    }
}

/// <summary>A body of <c>/v1/completions</c>.</summary>
internal sealed class CompletionRequest : GenerationRequest
{
    public CompletionRequest(SamplingParams defaults)
        : base(defaults) => AddSpecialTokens = true;

    public IReadOnlyList<Prompt> Prompts { get; set; } = [];

    public int? BestOf { get; set; }

    public override string IdPrefix => "cmpl-";

    protected override bool WantsLogprobs => Sampling.Logprobs is not null;

    /// <summary>Asks for the prompt alone: a token is made, as in vLLM, and dropped.</summary>
    public bool PromptOnly => Echo && MaxTokens == 0;

    public override void Check()
    {
        base.Check();
        ApiException.ThrowIf(
            Prompts.Count == 0,
            "prompt",
                "prompt is required: a string, a list of strings, a list of token ids, or a list of such lists");

        if ((long)Prompts.Count * Sampling.N > SamplingParams.MaxN)
        {
            throw ApiException.BadRequest("n", $"the prompts times n must be at most {SamplingParams.MaxN}; they are "
                + $"{(long)Prompts.Count * Sampling.N}");
        }

        if (BestOf is { } bestOf && bestOf != Sampling.N)
        {
            throw ApiException.NotSupported("best_of", $"it may only repeat n ({Sampling.N})");
        }
    }
}

/// <summary>A body of <c>/v1/chat/completions</c>.</summary>
internal sealed class ChatRequest(SamplingParams defaults) : GenerationRequest(defaults)
{
    public Conversation Conversation { get; } = new();

    public bool Logprobs { get; set; }

    public int TopLogprobs { get; set; }

    public string? ToolChoice { get; set; }

    public string? FunctionCall { get; set; }

    /// <summary>The field that asks not to think; null where none does.</summary>
    public string? ThinkingOff { get; set; }

    public override string IdPrefix => "chatcmpl-";

    protected override bool WantsLogprobs => Logprobs;

    public override string NameOf(string parameter) => parameter switch
    {
        nameof(Prompt) => "messages",
        nameof(SamplingParams.Logprobs) => "top_logprobs",
        nameof(SamplingParams.MaxTokens) => MaxTokensField,
        _ => base.NameOf(parameter),
    };

    public override void Check()
    {
        base.Check();
        ApiException.ThrowIf(TopLogprobs != 0 && !Logprobs, "top_logprobs", "top_logprobs needs logprobs to be true");

        CheckNeeds("tool_choice", ToolChoice, "tools");
        CheckNeeds("function_call", FunctionCall, "functions");
        Conversation.Check();
    }

    private void CheckNeeds(string field, string? choice, string needed)
    {
        if (choice is not (null or "none") && !Has(needed))
        {
            throw ApiException.BadRequest(field, $"{field} \"{choice}\" needs {needed}");
        }
    }
}

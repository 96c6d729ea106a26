namespace Octavo;

/// <summary>
/// What a request has produced; <see cref="SamplingParams.OutputKind"/> says whether so far or since the last one.
/// </summary>
public sealed record RequestOutput
{
    /// <summary>The request's id.</summary>
    public required string RequestId { get; init; }

    /// <summary>The prompt's text, where it was given as text.</summary>
    public string? Prompt { get; init; }

    /// <summary>The prompt as the model read it.</summary>
    public required IReadOnlyList<int> PromptTokenIds { get; init; }

    /// <summary>Log-probabilities of the prompt's tokens, null for the first; null where not asked for.</summary>
    public IReadOnlyList<PositionLogprobs?>? PromptLogprobs { get; init; }

    /// <summary>
    /// Scores of <see cref="SamplingParams.PromptLogprobTokenIds"/>, <c>[rows, candidates]</c>; null where not asked
    /// for.
    /// </summary>
    public IReadOnlyList<float[]>? PromptTokenIdLogprobs { get; init; }

    /// <summary>The completions: all of them, or in a delta those with news.</summary>
    public required IReadOnlyList<CompletionOutput> Outputs { get; init; }

    /// <summary>True once every completion has ended.</summary>
    public required bool Finished { get; init; }

    /// <summary>What went wrong with the request; null where nothing did.</summary>
    public Exception? Error { get; init; }

    /// <summary>How many of the prompt's tokens the prefix cache already held.</summary>
    public int NumCachedTokens { get; init; }

    /// <summary>When things happened to the request.</summary>
    public RequestTimings Timings { get; init; }
}

/// <summary>When things happened to a request, as durations from its arrival.</summary>
/// <param name="Queued">Until a step first took it up; zero while it waits.</param>
/// <param name="FirstToken">Until its first token; zero before.</param>
/// <param name="LastToken">Until its newest token.</param>
public readonly record struct RequestTimings(TimeSpan Queued, TimeSpan FirstToken, TimeSpan LastToken);

/// <summary>One completion of a request.</summary>
public sealed record CompletionOutput
{
    /// <summary>Which of the <see cref="SamplingParams.N"/> completions this is.</summary>
    public required int Index { get; init; }

    /// <summary>The text; empty where detokenizing is off.</summary>
    public required string Text { get; init; }

    /// <summary>The tokens, the one that ended the output included.</summary>
    public required IReadOnlyList<int> TokenIds { get; init; }

    /// <summary>
    /// Sum of the chosen tokens' log-probabilities since the beginning; null unless log-probabilities are on.
    /// </summary>
    public double? CumulativeLogprob { get; init; }

    /// <summary>One entry a token; null unless asked for, or asked for flat.</summary>
    public IReadOnlyList<PositionLogprobs>? Logprobs { get; init; }

    /// <summary>The same in flat arrays; null unless <see cref="SamplingParams.FlatLogprobs"/>.</summary>
    public FlatLogprobs? FlatLogprobs { get; init; }

    /// <summary>Why it ended; null while it runs.</summary>
    public FinishReason? FinishReason { get; init; }

    /// <summary>The stop text or token that ended it; null where end-of-sequence or length did.</summary>
    public StopReason? StopReason { get; init; }
}

/// <summary>Why a completion ended.</summary>
public enum FinishReason
{
    /// <summary>End of sequence, a stop token or a stop text.</summary>
    Stop,

    /// <summary><see cref="SamplingParams.MaxTokens"/> or the model's length.</summary>
    Length,

    /// <summary>Its client went away or called it off.</summary>
    Abort,

    /// <summary>Something went wrong with this request alone; <see cref="RequestOutput.Error"/> says what.</summary>
    Error,

    /// <summary>It only repeated itself (<see cref="SamplingParams.RepetitionDetection"/>).</summary>
    Repetition,
}

/// <summary>How reasons are written outside this program.</summary>
internal static class FinishReasonExtensions
{
    /// <summary>The name that answers and metrics carry; vLLM's.</summary>
    public static string ToWireName(this FinishReason reason) => reason switch
    {
        FinishReason.Stop => "stop",
        FinishReason.Length => "length",
        FinishReason.Abort => "abort",
        FinishReason.Error => "error",
        FinishReason.Repetition => "repetition",
    };
}

/// <summary>What stopped a completion: a token or a text.</summary>
public readonly record struct StopReason
{
    /// <summary>The stop token's id.</summary>
    public int? TokenId { get; init; }

    /// <summary>The stop text.</summary>
    public string? Text { get; init; }
}

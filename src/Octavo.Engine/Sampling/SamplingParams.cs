using System.Globalization;
using Octavo.Engine;

namespace Octavo;

/// <summary>
/// How the tokens of one request are chosen and when it ends. Names, defaults and meaning are those of vLLM's
/// <c>SamplingParams</c>.
/// </summary>
public sealed record SamplingParams
{
    /// <summary>Temperatures below this mean greedy decoding.</summary>
    public const float GreedyTemperature = 1e-5f;

    /// <summary>The most completions of one prompt.</summary>
    public const int MaxN = 16384;

    /// <summary>The most ids <see cref="LogprobTokenIds"/> may name.</summary>
    public const int MaxLogprobTokenIds = 128;

    /// <summary>How many completions of the prompt to make; they share the prompt's cache blocks.</summary>
    public int N { get; init; } = 1;

    /// <summary>Subtracted from the logit of every token that the output holds already; −2 to 2.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Subtracted from a token's logit once for each time that the output holds it; −2 to 2.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>
    /// Divides positive and multiplies negative logits of tokens seen in prompt or output; above 0, 1 = none.
    /// </summary>
    public float RepetitionPenalty { get; init; } = 1f;

    /// <summary>Divides the logits; 0 is greedy, and anything between 0 and 0.01 counts as 0.01.</summary>
    public float Temperature { get; init; } = 1f;

    /// <summary>
    /// Keep the smallest set of most likely tokens whose probabilities reach this sum; above 0, at most 1. Of equally
    /// likely tokens those of the lower id are kept.
    /// </summary>
    public float TopP { get; init; } = 1f;

    /// <summary>
    /// Keep only so many most likely tokens; 0 or −1 keeps all. Of equally likely tokens those of the lower id are
    /// kept.
    /// </summary>
    public int TopK { get; init; }

    /// <summary>Drop tokens less likely than this fraction of the most likely one; 0 to 1.</summary>
    public float MinP { get; init; }

    /// <summary>Makes this request's draws repeatable; null takes the next seed of the engine's own sequence.</summary>
    public long? Seed { get; init; }

    /// <summary>
    /// Texts that end the output; the output does not hold them unless <see cref="IncludeStopStrInOutput"/>.
    /// </summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Tokens that end the output.</summary>
    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    /// <summary>Go on after the end-of-sequence token.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>The most tokens to make; null means as many as the model's length allows.</summary>
    public int? MaxTokens { get; init; } = 16;

    /// <summary>
    /// Before so many tokens neither end-of-sequence nor stop tokens are drawn, nor stop texts looked for.
    /// </summary>
    public int MinTokens { get; init; }

    /// <summary>
    /// Log-probabilities of the chosen and so many most likely tokens; −1 = the whole vocabulary, null = none.
    /// </summary>
    public int? Logprobs { get; init; }

    /// <summary>The same for the prompt's tokens, which are then all computed, past the prefix cache.</summary>
    public int? PromptLogprobs { get; init; }

    /// <summary>
    /// Score exactly these candidates at the prompt's positions: one list for all rows, or one list a row. Row <c>i</c>
    /// scores prompt token <c>PromptLogprobStart + i + 1</c>.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<int>>? PromptLogprobTokenIds { get; init; }

    /// <summary>The first prompt position whose next token is scored; null is 0.</summary>
    public int? PromptLogprobStart { get; init; }

    /// <summary>
    /// Give the log-probabilities of exactly these tokens, beside the chosen one, at every output position, instead of
    /// the most likely ones; at most 128. None is as null.
    /// </summary>
    public IReadOnlyList<int>? LogprobTokenIds { get; init; }

    /// <summary>Give log-probabilities as flat arrays instead of one object a position.</summary>
    public bool FlatLogprobs { get; init; }

    /// <summary>Turn tokens into text; stop texts need it.</summary>
    public bool Detokenize { get; init; } = true;

    /// <summary>Leave special tokens out of the text.</summary>
    public bool SkipSpecialTokens { get; init; } = true;

    /// <summary>Keep the stop text at the output's end.</summary>
    public bool IncludeStopStrInOutput { get; init; }

    /// <summary>What each <see cref="RequestOutput"/> of a running request holds.</summary>
    public OutputKind OutputKind { get; init; } = OutputKind.Cumulative;

    /// <summary>Emit only every so many tokens (the first and the last always); null takes 1.</summary>
    public int? StreamInterval { get; init; }

    /// <summary>Added to the logits of the named tokens.</summary>
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>Only these tokens may be drawn.</summary>
    public IReadOnlyList<int>? AllowedTokenIds { get; init; }

    /// <summary>
    /// Words whose last token is never drawn after the tokens before it: as they are, and with a space before them
    /// where that gives other tokens, however many.
    /// </summary>
    public IReadOnlyList<string>? BadWords { get; init; }

    /// <summary>
    /// Handed to the engine's <see cref="Engine.Sampling.LogitsProcessorFactory"/> hooks, which may read their settings
    /// here.
    /// </summary>
    public IReadOnlyDictionary<string, object?>? ExtraArgs { get; init; }

    /// <summary>
    /// Compute the whole prompt even where cached blocks hold its beginning; null leaves it to the engine.
    /// </summary>
    public bool? SkipReadingPrefixCache { get; init; }

    /// <summary>
    /// The most tokens between the model's think tokens before the closing one is forced; −1 or null = no limit.
    /// </summary>
    public int? ThinkingTokenBudget { get; init; }

    /// <summary>End a request whose output only repeats itself, or null.</summary>
    public RepetitionDetection? RepetitionDetection { get; init; }

    /// <summary>
    /// The output tokens to follow instead of drawing; their log-probabilities are still the model's own.
    /// </summary>
    public IReadOnlyList<int>? TraceDecodeTokenIds { get; init; }

    /// <summary>True where the most likely token is always taken.</summary>
    public bool IsGreedy => Temperature < GreedyTemperature;

    internal bool WantsPromptLogprobs => PromptLogprobs is not null || PromptLogprobTokenIds is not null;

    internal bool WantsLogprobs => Logprobs is not null || LogprobTokenIds is { Count: > 0 };

    /// <summary>Checks every field that can be checked without a model.</summary>
    /// <exception cref="InvalidRequestException">A parameter is out of range; the exception names it.</exception>
    /// <exception cref="ArgumentException">
    /// A collection is null that must not be, or holds null; the exception names it.
    /// </exception>
    public void Validate()
    {
        RequireNoNulls();
        Check(N >= 1, nameof(N), $"must be at least 1", N);
        Check(N <= MaxN, nameof(N), $"must be at most {MaxN}", N);
        CheckRange(PresencePenalty, -2, 2, nameof(PresencePenalty));
        CheckRange(FrequencyPenalty, -2, 2, nameof(FrequencyPenalty));
        Check(
            RepetitionPenalty > 0 && float.IsFinite(RepetitionPenalty),
            nameof(RepetitionPenalty),
            $"must be above 0",
            RepetitionPenalty);
        Check(Temperature >= 0 && float.IsFinite(Temperature), nameof(Temperature), $"must be 0 or more", Temperature);
        Check(TopP is > 0 and <= 1, nameof(TopP), $"must be above 0 and at most 1", TopP);
        Check(TopK >= -1, nameof(TopK), $"must be -1 or 0 (all), or at least 1", TopK);
        CheckRange(MinP, 0, 1, nameof(MinP));
        Check(MaxTokens is null or >= 1, nameof(MaxTokens), $"must be at least 1", MaxTokens);
        Check(MinTokens >= 0, nameof(MinTokens), $"must be 0 or more", MinTokens);
        Check(
            MaxTokens is null || MinTokens <= MaxTokens,
            nameof(MinTokens),
            $"must be at most {Named(nameof(MaxTokens))} ({MaxTokens})",
            MinTokens);
        Check(Logprobs is null or >= -1, nameof(Logprobs), $"must be -1 (whole vocabulary), or 0 or more", Logprobs);
        Check(
            PromptLogprobs is null or >= -1,
            nameof(PromptLogprobs),
            $"must be -1 (whole vocabulary), or 0 or more",
            PromptLogprobs);
        Check(PromptLogprobStart is null or >= 0, nameof(PromptLogprobStart), $"must be 0 or more", PromptLogprobStart);
        Check(
            PromptLogprobStart is null || WantsPromptLogprobs,
            nameof(PromptLogprobStart),
            $"needs {Named(nameof(PromptLogprobs))} or {Named(nameof(PromptLogprobTokenIds))}",
            PromptLogprobStart);
        Check(
            LogprobTokenIds is null || LogprobTokenIds.Count <= MaxLogprobTokenIds,
            nameof(LogprobTokenIds),
            $"must hold at most {MaxLogprobTokenIds} ids",
            LogprobTokenIds?.Count);
        Check(!Stop.Any(string.IsNullOrEmpty), nameof(Stop), $"must not hold an empty string", "\"\"");
        Check(
            Stop.Count == 0 || Detokenize,
            nameof(Stop),
            $"needs {Named(nameof(Detokenize))} = true",
            string.Join(", ", Stop));
        Check(StreamInterval is null or >= 1, nameof(StreamInterval), $"must be at least 1", StreamInterval);
        Check(AllowedTokenIds is null or { Count: > 0 }, nameof(AllowedTokenIds), $"must not be empty", "[]");
        Check(
            BadWords is null || !BadWords.Any(string.IsNullOrWhiteSpace),
            nameof(BadWords),
            $"must not hold an empty word",
            "\"\"");
        Check(
            ThinkingTokenBudget is null or >= -1,
            nameof(ThinkingTokenBudget),
            $"must be -1 (no limit), or 0 or more",
            ThinkingTokenBudget);
        RepetitionDetection?.Validate();
        if (LogitBias is not null)
        {
            foreach ((int token, float bias) in LogitBias)
            {
                string value = string.Create(CultureInfo.InvariantCulture, $"{token}: {bias}");
                Check(bias is >= -100 and <= 100, nameof(LogitBias), $"must be between -100 and 100", value);
            }
        }
    }

    // Whoever writes no C# cannot get here: a request's null is absent, or refused with its field.
    private void RequireNoNulls()
    {
        RequireNotNull(Stop, nameof(Stop));
        RequireNotNull(StopTokenIds, nameof(StopTokenIds));
        Require(Stop, nameof(Stop));
        Require(BadWords, nameof(BadWords));
        Require(PromptLogprobTokenIds, nameof(PromptLogprobTokenIds));

        static void Require<T>(IReadOnlyList<T>? items, string name)
            where T : class
        {
            for (int i = 0; i < items?.Count; i++)
            {
                if (items[i] is null)
                {
                    throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"item {i} is null"), name);
                }
            }
        }
    }

    internal static void RequireNotNull(object? value, string name)
    {
        if (value is null)
        {
            throw new ArgumentNullException(name);
        }
    }

    private static void CheckRange(float value, float low, float high, string parameter) =>
        Check(value >= low && value <= high, parameter, $"must be between {low} and {high}", value);

    internal static void Check(bool holds, string parameter, FormattableString rule, object? value)
    {
        if (!holds)
        {
            throw new InvalidRequestException(parameter, rule, value);
        }
    }

    internal static ParameterName Named(string parameter) => new(parameter);
}

/// <summary>Ends an output that repeats one pattern of tokens over and over.</summary>
/// <param name="MaxPatternSize">The longest pattern looked for, in tokens.</param>
/// <param name="MinPatternSize">The shortest pattern looked for, in tokens.</param>
/// <param name="MinCount">How often the pattern must stand at the output's end, at least 2.</param>
public sealed record RepetitionDetection(int MaxPatternSize, int MinPatternSize = 1, int MinCount = 2)
{
    internal void Validate()
    {
        const string Owner = nameof(SamplingParams.RepetitionDetection) + ".";
        SamplingParams.Check(
            MinPatternSize >= 1, Owner + nameof(MinPatternSize), $"must be at least 1", MinPatternSize);
        SamplingParams.Check(
            MaxPatternSize >= MinPatternSize,
            Owner + nameof(MaxPatternSize),
            $"must be at least {SamplingParams.Named(nameof(MinPatternSize))}",
            MaxPatternSize);
        SamplingParams.Check(MinCount >= 2, Owner + nameof(MinCount), $"must be at least 2", MinCount);
    }
}

/// <summary>What the successive outputs of one request hold.</summary>
public enum OutputKind
{
    /// <summary>Everything so far, each time.</summary>
    Cumulative,

    /// <summary>What is new since the last one.</summary>
    Delta,

    /// <summary>One output, when the request has ended.</summary>
    FinalOnly,
}

using Octavo.Engine.Sampling;
using Octavo.Engine.Sequences;

namespace Octavo.Engine.Output;

/// <summary>What a caller asked for: one prompt, its parameters, and the n completions that answer it.</summary>
internal sealed class RequestGroup
{
    private List<PositionLogprobs?>? _promptLogprobs;
    private List<float[]>? _candidateLogprobs;
    private bool _promptLogprobsEmitted;

    public required ValidatedRequest Request { get; init; }

    public string Id => Request.Id;

    public int[] PromptTokenIds => Request.PromptTokenIds;

    public SamplingParams Parameters => Request.Parameters;

    public required PromptHashes PromptHashes { get; init; }

    /// <summary>Receives the group's outputs, on the engine's thread.</summary>
    public required Action<RequestOutput> Sink { get; init; }

    public required long ArrivalTimestamp { get; init; }

    public Completion[] Completions { get; set; } = [];

    /// <summary>True once it has been taken out of the engine.</summary>
    public bool IsForgotten { get; set; }

    public bool IsFinished => Array.TrueForAll(Completions, c => c.IsFinished);

    /// <summary>
    /// The first prompt position whose next token is still to be scored; at or past the last means none.
    /// </summary>
    public int NextPromptRow { get; private set; }

    /// <summary>How many positions have a prompt token behind them to be scored.</summary>
    public int EndPromptRow => Parameters.WantsPromptLogprobs ? PromptTokenIds.Length - 1 : 0;

    public void BeginPromptLogprobs()
    {
        if (!Parameters.WantsPromptLogprobs)
        {
            return;
        }

        NextPromptRow = Parameters.PromptLogprobStart ?? 0;
        int unscored = Math.Min(NextPromptRow + 1, PromptTokenIds.Length);
        _promptLogprobs = Parameters.PromptLogprobs is null
            ? null
            : [.. Enumerable.Repeat<PositionLogprobs?>(null, unscored)];
        _candidateLogprobs = Parameters.PromptLogprobTokenIds is null ? null : [];
    }

    /// <summary>Scores the prompt token behind a position; changes nothing.</summary>
    /// <param name="position">The position.</param>
    /// <param name="logits">Its row.</param>
    /// <param name="logprobs">Has looked at the row.</param>
    public PromptScore Score(int position, ReadOnlySpan<float> logits, Logprobs logprobs)
    {
        PositionLogprobs? likeliest = Parameters.PromptLogprobs is { } top
            ? logprobs.At(logits, PromptTokenIds[position + 1], top, null)
            : null;
        int row = position - (Parameters.PromptLogprobStart ?? 0);
        float[]? candidates = Parameters.PromptLogprobTokenIds is { } ids
            ? logprobs.Of(logits, ids[ids.Count == 1 ? 0 : row])
            : null;
        return new PromptScore(likeliest, candidates);
    }

    /// <summary>Takes the score of the prompt token behind position <see cref="NextPromptRow"/>.</summary>
    public void Accept(PromptScore score)
    {
        _promptLogprobs?.Add(score.Likeliest);
        _candidateLogprobs?.Add(score.Candidates!);
        NextPromptRow++;
    }

    /// <summary>Hands the caller what it wants to hear now, if anything.</summary>
    public void Emit(TimeProvider time)
    {
        bool finished = IsFinished;
        if (Parameters.OutputKind == OutputKind.FinalOnly && !finished)
        {
            return;
        }

        if (!finished && !Array.Exists(Completions, c => c.HasNews && c.IsDue))
        {
            return;
        }

        bool delta = Parameters.OutputKind == OutputKind.Delta;
        CompletionOutput[] outputs =
            [.. Completions.Where(c => !delta || (c.HasNews && c.IsDue)).Select(c => c.TakeOutput(delta))];

        // Siblings may speak before the completion that scores the prompt is through with it.
        bool withPrompt = NextPromptRow >= EndPromptRow && (!delta || !_promptLogprobsEmitted);
        _promptLogprobsEmitted |= withPrompt;
        Sink(new RequestOutput
        {
            RequestId = Id,
            Prompt = Request.Prompt,
            PromptTokenIds = PromptTokenIds,
            PromptLogprobs = withPrompt ? _promptLogprobs?.ToArray() : null,
            PromptTokenIdLogprobs = withPrompt ? _candidateLogprobs?.ToArray() : null,
            Outputs = outputs,
            Finished = finished,
            Error = Array.Find(Completions, c => c.Error is not null)?.Error,
            NumCachedTokens = Completions[0].NumCachedTokens,
            Timings = new RequestTimings(
                Since(Completions[0].ScheduledTimestamp),
                Since(Completions[0].FirstTokenTimestamp),
                Since(Completions.Max(c => c.LastTokenTimestamp))),
        });

        TimeSpan Since(long timestamp) =>
            timestamp == 0 ? TimeSpan.Zero : time.GetElapsedTime(ArrivalTimestamp, timestamp);
    }
}

/// <summary>What is known of a prompt's token: what was asked for.</summary>
/// <param name="Likeliest">Its log-probability, and those of the most likely tokens.</param>
/// <param name="Candidates">The log-probabilities of the named tokens.</param>
internal readonly record struct PromptScore(PositionLogprobs? Likeliest, float[]? Candidates);

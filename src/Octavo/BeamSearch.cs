using Octavo.Engine;

namespace Octavo;

/// <summary>How beams are kept; names and meaning are those of vLLM's <c>BeamSearchParams</c>. Scores are the model's
/// own,
/// before any temperature.</summary>
public sealed record BeamSearchParams
{
    private const int MaxBeamWidth = 1024;

    /// <summary>Beams kept at each step; each asks for twice as many log-probabilities as there are beams.</summary>
    public required int BeamWidth { get; init; }

    /// <summary>The most tokens a beam makes.</summary>
    public required int MaxTokens { get; init; }

    /// <summary>Go on after the end-of-sequence token.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>
    /// A beam's score is its log-probability over its length to this power; the prompt does not count for its length.
    /// </summary>
    public double LengthPenalty { get; init; } = 1.0;

    internal void Validate()
    {
        if (BeamWidth is < 1 or > MaxBeamWidth)
        {
            throw new InvalidRequestException(nameof(BeamWidth), $"must be between 1 and {MaxBeamWidth}", BeamWidth);
        }

        if (MaxTokens < 1)
        {
            throw new InvalidRequestException(nameof(MaxTokens), $"must be at least 1", MaxTokens);
        }
    }
}

/// <summary>One sequence that beam search found.</summary>
/// <param name="TokenIds">Its tokens, without the prompt.</param>
/// <param name="Text">Their text; empty where the engine runs without a tokenizer.</param>
/// <param name="CumulativeLogprob">The sum of its log-probabilities.</param>
/// <param name="Score">What beams are compared by.</param>
/// <param name="FinishReason">Why it ended.</param>
public sealed record BeamSearchSequence(
    IReadOnlyList<int> TokenIds, string Text, double CumulativeLogprob, double Score, FinishReason FinishReason);

/// <summary>What beam search found.</summary>
/// <param name="PromptTokenIds">The prompt.</param>
/// <param name="Sequences">The best sequences, best first.</param>
public sealed record BeamSearchOutput(IReadOnlyList<int> PromptTokenIds, IReadOnlyList<BeamSearchSequence> Sequences)
{
    /// <summary>The same as any other finished request's output, a completion for each sequence, best first.</summary>
    /// <param name="requestId">The request's id.</param>
    /// <param name="prompt">The prompt's text, where it was given as text.</param>
    public RequestOutput ToRequestOutput(string requestId, string? prompt) => new()
    {
        RequestId = requestId,
        Prompt = prompt,
        PromptTokenIds = PromptTokenIds,
        Finished = true,
        Outputs =
        [
            .. Sequences.Select((s, i) => new CompletionOutput
            {
                Index = i,
                Text = s.Text,
                TokenIds = s.TokenIds,
                CumulativeLogprob = s.CumulativeLogprob,
                FinishReason = s.FinishReason,
            }),
        ],
    };
}

/// <summary>
/// Beam search over an engine. As in vLLM it stands outside the core: every step asks each beam for its most likely
/// next tokens, and the prefix cache keeps a beam's past from being computed again.
/// </summary>
public static class BeamSearch
{
    private static readonly ParameterName Width = new(nameof(BeamSearchParams.BeamWidth));

    /// <summary>Finds the most likely completions of a prompt.</summary>
    /// <param name="engine">Runs the beams.</param>
    /// <param name="prompt">Where they begin.</param>
    /// <param name="parameters">How they are kept.</param>
    /// <param name="cancellationToken">Calls the search off.</param>
    /// <exception cref="InvalidRequestException">The request cannot be run.</exception>
    public static async Task<BeamSearchOutput> BeamSearchAsync(
        this AsyncEngine engine,
        Prompt prompt,
        BeamSearchParams parameters,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(parameters);
        parameters.Validate();
        int[] promptIds = [.. prompt.TokenIds ?? engine.Encode(prompt)];
        int maxTokens = Math.Min(parameters.MaxTokens, Math.Max(1, engine.Model.MaxModelLen - promptIds.Length));
        var step = new SamplingParams
        {
            MaxTokens = 1,
            Temperature = 0,
            Logprobs = 2 * parameters.BeamWidth,
            Detokenize = false,
        };
        try
        {
            engine.Prepare(Prompt.FromTokenIds(promptIds), step);
        }
        catch (InvalidRequestException e) when (e.Parameter == nameof(SamplingParams.Logprobs))
        {
            throw new InvalidRequestException(
                Width.Name,
                $"{Width} {parameters.BeamWidth} asks for {step.Logprobs} log-probabilities, and {e.Fault}");
        }

        var done = new List<Beam>();
        List<Beam> beams = [new Beam([], 0, false)];
        for (int length = 0; length < maxTokens && beams.Count > 0; length++)
        {
            RequestOutput[] outputs = await Task.WhenAll(
                beams.Select(b => engine.GenerateAsync(
                    Prompt.FromTokenIds([.. promptIds, .. b.Tokens]), step, null, cancellationToken)))
                .ConfigureAwait(false);
            List<Beam> candidates = [];
            for (int i = 0; i < beams.Count; i++)
            {
                foreach (TokenLogprob next in outputs[i].Outputs[0].Logprobs![0].Top)
                {
                    bool ends = !parameters.IgnoreEos && engine.Model.EosTokenIds.Contains(next.TokenId);
                    var beam = new Beam([.. beams[i].Tokens, next.TokenId], beams[i].Logprob + next.Logprob, ends);
                    (ends ? done : candidates).Add(beam);
                }
            }

            beams = Best(candidates);
        }

        string Decode(int[] tokens) => engine.Tokenizer?.Decode(tokens) ?? string.Empty;
        return new BeamSearchOutput(
            promptIds,
            [.. Best([.. done, .. beams]).Select(b => new BeamSearchSequence(
                b.Tokens, Decode(b.Tokens), b.Logprob, Score(b), b.Ended ? FinishReason.Stop : FinishReason.Length))]);

        // As transformers has it: the length of what was made, the token that ends it included, and not the prompt's.
        double Score(Beam beam) => beam.Logprob / Math.Pow(beam.Tokens.Length, parameters.LengthPenalty);

        List<Beam> Best(IEnumerable<Beam> from) => [.. from.OrderByDescending(Score).Take(parameters.BeamWidth)];
    }

    private sealed record Beam(int[] Tokens, double Logprob, bool Ended);
}

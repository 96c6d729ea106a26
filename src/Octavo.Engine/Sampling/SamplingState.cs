namespace Octavo.Engine.Sampling;

/// <summary>A hook over one request's logits, called before penalties and temperature at each of its tokens.</summary>
/// <param name="outputTokenIds">The tokens made so far.</param>
/// <param name="logits">The row to change in place, <c>[vocab]</c>.</param>
public delegate void LogitsProcessor(ReadOnlySpan<int> outputTokenIds, Span<float> logits);

/// <summary>
/// Makes a completion's hook, or null where the request does not want it; it reads what the request asks for from
/// <see cref="SamplingParams.ExtraArgs"/>. A hook that throws ends its own request.
/// </summary>
public delegate LogitsProcessor? LogitsProcessorFactory(SamplingParams parameters);

/// <summary>What the sampler keeps of one completion: its seed, its hooks, and counts of what it has said.</summary>
internal sealed class SamplingState(
    SamplingRules rules, long seed, int completion, IReadOnlyList<LogitsProcessorFactory> processors)
{
    private readonly Dictionary<int, int> _outputCounts = [];   // token -> times in the output, where penalties look
    private bool _thinking = rules.PromptIsThinking;
    private int _thought;

    public SamplingRules Rules { get; } = rules;

    public long Seed { get; } = seed;

    public int Completion { get; } = completion;

    public IReadOnlyList<LogitsProcessor> Processors { get; } =
        [.. processors.Select(f => f(rules.Parameters)).OfType<LogitsProcessor>()];

    /// <summary>
    /// The token that must come next because thinking has used up its budget, or null where the model is free.
    /// </summary>
    public int? ForcedByThinking =>
        _thinking && _thought >= Rules.Parameters.ThinkingTokenBudget ? Rules.ThinkTokens?.Close : null;

    public void Observe(int token)
    {
        if (Rules.Penalizes)
        {
            _outputCounts[token] = _outputCounts.GetValueOrDefault(token) + 1;
        }

        if (Rules.ThinkTokens is not ({ } open, { } close))
        {
            return;
        }

        if (token == open)
        {
            (_thinking, _thought) = (true, 0);
        }
        else if (token == close)
        {
            _thinking = false;
        }
        else if (_thinking)
        {
            _thought++;
        }
    }

    /// <summary>Repetition, then frequency, then presence, as in vLLM.</summary>
    public void Penalize(Span<float> logits)
    {
        if (!Rules.Penalizes)
        {
            return;
        }

        SamplingParams p = Rules.Parameters;
        if (p.RepetitionPenalty != 1)
        {
            foreach (int token in Rules.PromptTokens)
            {
                Repeat(ref logits[token]);
            }

            foreach (int token in _outputCounts.Keys)
            {
                if (!Rules.PromptTokens.Contains(token))
                {
                    Repeat(ref logits[token]);
                }
            }
        }

        foreach ((int token, int count) in _outputCounts)
        {
            logits[token] -= (p.FrequencyPenalty * count) + p.PresencePenalty;
        }

        void Repeat(ref float logit) => logit = logit > 0 ? logit / p.RepetitionPenalty : logit * p.RepetitionPenalty;
    }
}

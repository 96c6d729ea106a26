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
    private readonly PenalizedTokens? _penalized = rules.Penalizes ? new PenalizedTokens(rules) : null;
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
        _penalized?.Observe(token);
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

    /// <summary>Calls the request's hooks, on the engine's thread.</summary>
    public void CallHooks(ReadOnlySpan<int> output, Span<float> logits)
    {
        foreach (LogitsProcessor process in Processors)
        {
            process(output, logits);
        }
    }

    /// <summary>Forbids what must not come next, but for the tokens that are not among the allowed ones.</summary>
    public void Restrict(ReadOnlySpan<int> output, Span<float> logits, RowEdits edits)
    {
        foreach (int[] word in Rules.BadWords)
        {
            if (output.EndsWith(word.AsSpan(0, word.Length - 1)))
            {
                edits.Set(logits, word[^1], float.NegativeInfinity);
            }
        }

        if (output.Length < Rules.Parameters.MinTokens)
        {
            foreach (int token in Rules.EndTokenIds)
            {
                edits.Set(logits, token, float.NegativeInfinity);
            }
        }

        if (Rules.Parameters.LogitBias is { } biases)
        {
            foreach ((int token, float bias) in biases)
            {
                edits.Set(logits, token, logits[token] + bias);
            }
        }
    }

    /// <summary>Repetition, then frequency, then presence, as in vLLM.</summary>
    public void Penalize(Span<float> logits, RowEdits edits) => _penalized?.Apply(logits, edits);
}

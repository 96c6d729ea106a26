using Octavo.Text;

namespace Octavo.Engine.Sampling;

/// <summary>A hook over one request's logits, called before penalties and temperature at each of its tokens.</summary>
/// <param name="outputTokenIds">The tokens made so far.</param>
/// <param name="logits">The row to change in place, <c>[vocab]</c>.</param>
public delegate void LogitsProcessor(ReadOnlySpan<int> outputTokenIds, Span<float> logits);

/// <summary>
/// Makes a request's hook, or null where the request does not want it; it reads what the request asks for from
/// <see cref="SamplingParams.ExtraArgs"/>.
/// </summary>
public delegate LogitsProcessor? LogitsProcessorFactory(SamplingParams parameters);

/// <summary>What the sampler knows of one request beyond its tokens: parameters made ready, and counts kept.</summary>
internal sealed class SamplingState
{
    private readonly Dictionary<int, int>? _outputCounts;   // token -> times in the output
    private readonly HashSet<int>? _promptTokens;

    public SamplingState(
        SamplingParams parameters,
        long seed,
        int completion,
        ReadOnlySpan<int> promptTokenIds,
        IReadOnlyList<int> eosTokenIds,
        Tokenizer? tokenizer,
        IReadOnlyList<LogitsProcessorFactory> processors)
    {
        (Parameters, Seed, Completion) = (parameters, seed, completion);
        bool penalizes = parameters.PresencePenalty != 0 || parameters.FrequencyPenalty != 0 || parameters.RepetitionPenalty != 1;
        if (penalizes)
        {
            _outputCounts = [];
            _promptTokens = [.. promptTokenIds];
        }

        EndTokenIds = parameters.IgnoreEos ? [.. parameters.StopTokenIds] : [.. eosTokenIds, .. parameters.StopTokenIds];
        Allowed = parameters.AllowedTokenIds is { } allowed ? [.. allowed] : null;
        BadWords = parameters.BadWords is { Count: > 0 } words ? TokenizeBadWords(words, tokenizer!) : [];
        Processors = [.. processors.Select(f => f(parameters)).OfType<LogitsProcessor>()];
        if (parameters.ThinkingTokenBudget is >= 0)
        {
            Thinking = new ThinkingBudget(parameters.ThinkingTokenBudget.Value, promptTokenIds, tokenizer);
        }
    }

    public SamplingParams Parameters { get; }

    public long Seed { get; }

    public int Completion { get; }

    /// <summary>Tokens that end the output, forbidden before <see cref="SamplingParams.MinTokens"/>.</summary>
    public int[] EndTokenIds { get; }

    public HashSet<int>? Allowed { get; }

    /// <summary>Each word's tokens; the last is forbidden behind the others.</summary>
    public IReadOnlyList<int[]> BadWords { get; }

    public IReadOnlyList<LogitsProcessor> Processors { get; }

    public ThinkingBudget? Thinking { get; }

    public void Observe(int token)
    {
        Thinking?.Observe(token);
        if (_outputCounts is not null)
        {
            _outputCounts[token] = _outputCounts.GetValueOrDefault(token) + 1;
        }
    }

    /// <summary>Repetition, then frequency, then presence, as in vLLM.</summary>
    public void Penalize(Span<float> logits)
    {
        if (_outputCounts is null)
        {
            return;
        }

        float repetition = Parameters.RepetitionPenalty;
        if (repetition != 1)
        {
            foreach (int token in _promptTokens!)
            {
                Repeat(ref logits[token]);
            }

            foreach (int token in _outputCounts.Keys)
            {
                if (!_promptTokens.Contains(token))
                {
                    Repeat(ref logits[token]);
                }
            }
        }

        foreach ((int token, int count) in _outputCounts)
        {
            logits[token] -= (Parameters.FrequencyPenalty * count) + Parameters.PresencePenalty;
        }

        void Repeat(ref float logit) => logit = logit > 0 ? logit / repetition : logit * repetition;
    }

    // A word may stand at the beginning of a text or, with a space, within it; both spellings are forbidden.
    private static List<int[]> TokenizeBadWords(IReadOnlyList<string> words, Tokenizer tokenizer)
    {
        var result = new List<int[]>();
        foreach (string word in words)
        {
            int[] bare = tokenizer.Encode(word.TrimStart(), addSpecialTokens: false);
            int[] spaced = tokenizer.Encode(" " + word.TrimStart(), addSpecialTokens: false);
            result.Add(bare);
            if (spaced[0] != bare[0] && spaced.Length == bare.Length)
            {
                result.Add(spaced);
            }
        }

        return result;
    }
}

/// <summary>Counts the tokens between a model's think tokens and says when the closing one must come.</summary>
internal sealed class ThinkingBudget
{
    private readonly int _budget;
    private readonly int _open;
    private readonly int _close;
    private bool _thinking;
    private int _used;

    public ThinkingBudget(int budget, ReadOnlySpan<int> prompt, Tokenizer? tokenizer)
    {
        int? open = tokenizer?.TokenToId("<think>");
        int? close = tokenizer?.TokenToId("</think>");
        if (open is null || close is null)
        {
            throw new InvalidRequestException(
                "thinking_token_budget", "thinking_token_budget needs a model whose vocabulary has <think> and </think>");
        }

        (_budget, _open, _close) = (budget, open.Value, close.Value);
        foreach (int token in prompt)
        {
            _thinking = token == _open || (_thinking && token != _close);
        }
    }

    /// <summary>The token that must come next, or null where the model is free.</summary>
    public int? Forced => _thinking && _used >= _budget ? _close : null;

    public void Observe(int token)
    {
        if (token == _open)
        {
            (_thinking, _used) = (true, 0);
        }
        else if (token == _close)
        {
            _thinking = false;
        }
        else if (_thinking)
        {
            _used++;
        }
    }
}

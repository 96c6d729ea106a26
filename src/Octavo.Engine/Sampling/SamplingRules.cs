using Octavo.Text;

namespace Octavo.Engine.Sampling;

/// <summary>A request's parameters made ready for the sampler, once for all of its completions.</summary>
internal sealed class SamplingRules
{
    private static readonly ParameterName Budget = SamplingParams.Named(nameof(SamplingParams.ThinkingTokenBudget));
    private static readonly ParameterName Words = SamplingParams.Named(nameof(SamplingParams.BadWords));

    public SamplingRules(
        SamplingParams parameters,
        ReadOnlySpan<int> promptTokenIds,
        IReadOnlyList<int> eosTokenIds,
        Tokenizer? tokenizer)
    {
        Parameters = parameters;
        Repeats = parameters.RepetitionPenalty != 1;
        Penalizes = Repeats || parameters.PresencePenalty != 0 || parameters.FrequencyPenalty != 0;
        PromptTokens = Repeats ? [.. promptTokenIds.ToArray().Distinct()] : [];
        EndTokenIds = parameters.IgnoreEos
            ? [.. parameters.StopTokenIds]
            : [.. eosTokenIds, .. parameters.StopTokenIds];
        Allowed = parameters.AllowedTokenIds is { } allowed ? [.. allowed.Distinct().Order()] : null;
        BadWords = parameters.BadWords is { Count: > 0 } words ? TokenizeBadWords(words, tokenizer!) : [];
        if (parameters.ThinkingTokenBudget is >= 0)
        {
            ThinkTokens = ThinkTokensOf(tokenizer);
            foreach (int token in promptTokenIds)
            {
                PromptIsThinking = token == ThinkTokens.Value.Open
                    || (PromptIsThinking && token != ThinkTokens.Value.Close);
            }
        }
    }

    public SamplingParams Parameters { get; }

    public bool Penalizes { get; }

    /// <summary>Whether tokens that prompt or output hold are penalized for that alone.</summary>
    public bool Repeats { get; }

    /// <summary>The prompt's distinct tokens, where penalties look at them.</summary>
    public int[] PromptTokens { get; }

    /// <summary>Tokens that end the output, forbidden before <see cref="SamplingParams.MinTokens"/>.</summary>
    public int[] EndTokenIds { get; }

    /// <summary>The only tokens that may be drawn, by id; null where all may.</summary>
    public int[]? Allowed { get; }

    /// <summary>Each word's tokens; the last is forbidden behind the others.</summary>
    public IReadOnlyList<int[]> BadWords { get; }

    /// <summary>The tokens that open and close thinking, where a budget is kept.</summary>
    public (int Open, int Close)? ThinkTokens { get; }

    /// <summary>True where the prompt ends within its thinking.</summary>
    public bool PromptIsThinking { get; }

    /// <summary>The think tokens of a model.</summary>
    /// <exception cref="InvalidRequestException">It has none.</exception>
    public static (int Open, int Close) ThinkTokensOf(Tokenizer? tokenizer)
    {
        if ((tokenizer?.TokenToId("<think>"), tokenizer?.TokenToId("</think>")) is ({ } open, { } close))
        {
            return (open, close);
        }

        throw new InvalidRequestException(
            Budget.Name, $"{Budget} needs a model whose vocabulary has <think> and </think>");
    }

    // A word may stand at the beginning of a text or, with a space, within it; both spellings are forbidden.
    private static List<int[]> TokenizeBadWords(IReadOnlyList<string> words, Tokenizer tokenizer)
    {
        var result = new List<int[]>();
        foreach (string word in words)
        {
            int[] bare = tokenizer.Encode(word.TrimStart(), addSpecialTokens: false);
            int[] spaced = tokenizer.Encode(" " + word.TrimStart(), addSpecialTokens: false);
            if (bare.Length == 0 || spaced.Length == 0)
            {
                throw new InvalidRequestException(
                    Words.Name, $"{Words} holds \"{word}\", which has no tokens in this vocabulary");
            }

            result.Add(bare);
            if (!spaced.AsSpan().SequenceEqual(bare))
            {
                result.Add(spaced);
            }
        }

        return result;
    }
}

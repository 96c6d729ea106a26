using Octavo.Engine.Sampling;
using Octavo.Text;

namespace Octavo.Engine;

/// <summary>The checks of a request that need the model: everything is checked before anything is changed.</summary>
internal static class RequestValidation
{
    /// <summary>Checks a request and returns how many tokens it may make.</summary>
    public static int Check(EngineRequest request, LlmEngineOptions options, int vocabSize, Tokenizer? tokenizer)
    {
        ArgumentNullException.ThrowIfNull(request);
        SamplingParams.RequireNotNull(request.Id, nameof(request.Id));
        SamplingParams.RequireNotNull(request.PromptTokenIds, nameof(request.PromptTokenIds));
        SamplingParams.RequireNotNull(request.Parameters, nameof(request.Parameters));
        SamplingParams p = request.Parameters;
        p.Validate();
        int length = request.PromptTokenIds.Count;
        SamplingParams.Check(length > 0, "prompt", "must hold at least one token", "empty");
        if (length >= options.MaxModelLen)
        {
            throw new InvalidRequestException(
                "prompt",
                $"This model's maximum context length is {options.MaxModelLen} tokens, of which at least one is output; "
                + $"the prompt has {length} tokens. Shorten the prompt.")
            { IsContextLength = true };
        }

        CheckPrompt(request.PromptTokenIds, vocabSize, tokenizer);
        CheckTokens("stop_token_ids", p.StopTokenIds, vocabSize);
        CheckTokens("allowed_token_ids", p.AllowedTokenIds ?? [], vocabSize);
        CheckTokens("logprob_token_ids", p.LogprobTokenIds ?? [], vocabSize);
        CheckTokens("logit_bias", p.LogitBias?.Keys ?? [], vocabSize);
        CheckTokens("trace_decode_token_ids", p.TraceDecodeTokenIds ?? [], vocabSize);
        CheckLogprobs("logprobs", p.Logprobs, options.MaxLogprobs, vocabSize);
        CheckLogprobs("prompt_logprobs", p.PromptLogprobs, options.MaxLogprobs, vocabSize);
        CheckPromptCandidates(p, length, vocabSize);
        if (p.ThinkingTokenBudget is >= 0)
        {
            SamplingRules.ThinkTokensOf(tokenizer);
        }

        if (tokenizer is null)
        {
            SamplingParams.Check(p.Stop.Count == 0, "stop", "needs a tokenizer, and this engine runs without one", string.Join(", ", p.Stop));
            SamplingParams.Check(p.BadWords is null or { Count: 0 }, "bad_words", "needs a tokenizer, and this engine runs without one", p.BadWords?.Count);
        }

        return Math.Min(p.MaxTokens ?? int.MaxValue, options.MaxModelLen - length);
    }

    // A tokenizer may know more tokens than the model has rows for: then it was the text that held one.
    private static void CheckPrompt(IReadOnlyList<int> prompt, int vocabSize, Tokenizer? tokenizer)
    {
        foreach (int token in prompt)
        {
            if ((uint)token >= (uint)vocabSize && tokenizer?.IdToToken(token) is { } text)
            {
                throw new InvalidRequestException(
                    "prompt",
                    FormattableString.Invariant($"prompt holds '{text}', the tokenizer's token {token}, but the model's vocabulary ends at {vocabSize - 1}: leave it out"));
            }
        }

        CheckTokens("prompt", prompt, vocabSize);
    }

    private static void CheckPromptCandidates(SamplingParams p, int length, int vocabSize)
    {
        int start = p.PromptLogprobStart ?? 0;
        SamplingParams.Check(start < length, "prompt_logprob_start", $"must be below the prompt's length ({length})", start);
        if (p.PromptLogprobTokenIds is not { } candidates)
        {
            return;
        }

        int rows = length - 1 - start;
        SamplingParams.Check(
            candidates.Count == 1 || candidates.Count == rows,
            "prompt_logprob_token_ids",
            $"must hold one list for all rows, or one list for each of the {rows} scored prompt tokens",
            candidates.Count);
        foreach (IReadOnlyList<int> list in candidates)
        {
            CheckTokens("prompt_logprob_token_ids", list, vocabSize);
        }
    }

    private static void CheckLogprobs(string field, int? asked, int most, int vocabSize)
    {
        int count = asked == -1 ? vocabSize : asked ?? 0;
        SamplingParams.Check(most < 0 || count <= most, field, $"must be at most {most} (max_logprobs)", asked);
    }

    private static void CheckTokens(string field, IEnumerable<int> tokens, int vocabSize)
    {
        foreach (int token in tokens)
        {
            SamplingParams.Check(
                (uint)token < (uint)vocabSize, field, FormattableString.Invariant($"must hold token ids from 0 to {vocabSize - 1}"), token);
        }
    }
}

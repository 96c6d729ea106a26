using Octavo.Engine.Sampling;
using Octavo.Text;

namespace Octavo.Engine;

/// <summary>The checks of a request that need the model: everything is checked before anything is changed.</summary>
internal static class RequestValidation
{
    private static readonly ParameterName Prompt = SamplingParams.Named(nameof(EngineRequest.Prompt));
    private static readonly ParameterName Limit = SamplingParams.Named(nameof(SamplingOptions.MaxLogprobs));

    /// <summary>Checks a request.</summary>
    public static ValidatedRequest Check(
        EngineRequest request, LlmEngineOptions options, int vocabSize, Tokenizer? tokenizer)
    {
        SamplingParams.RequireNotNull(request.Options, nameof(request.Options));
        SamplingParams.RequireNotNull(request.Id, nameof(request.Id));
        SamplingParams.RequireNotNull(request.PromptTokenIds, nameof(request.PromptTokenIds));
        SamplingParams.RequireNotNull(request.Parameters, nameof(request.Parameters));
        SamplingParams p = request.Parameters;
        p.Validate();
        int length = request.PromptTokenIds.Count;
        SamplingParams.Check(length > 0, nameof(request.Prompt), $"must hold at least one token", "empty");
        if (length >= options.MaxModelLen)
        {
            FormattableString limit = $"This model's maximum context length is {options.MaxModelLen} tokens";
            FormattableString advice = $"the prompt has {length} tokens. Shorten the prompt.";
            throw new InvalidRequestException(
                nameof(request.Prompt), $"{limit}, of which at least one is output; {advice}")
            { IsContextLength = true };
        }

        CheckPrompt(request.PromptTokenIds, vocabSize, tokenizer);
        CheckTokens(nameof(p.StopTokenIds), p.StopTokenIds, vocabSize);
        CheckTokens(nameof(p.AllowedTokenIds), p.AllowedTokenIds ?? [], vocabSize);
        CheckTokens(nameof(p.LogprobTokenIds), p.LogprobTokenIds ?? [], vocabSize);
        CheckTokens(nameof(p.LogitBias), p.LogitBias?.Keys ?? [], vocabSize);
        CheckTokens(nameof(p.TraceDecodeTokenIds), p.TraceDecodeTokenIds ?? [], vocabSize);
        CheckLogprobs(nameof(p.Logprobs), p.Logprobs, options.Sampling.MaxLogprobs, vocabSize);
        CheckLogprobs(nameof(p.PromptLogprobs), p.PromptLogprobs, options.Sampling.MaxLogprobs, vocabSize);
        CheckPromptCandidates(p, length, vocabSize);
        if (p.ThinkingTokenBudget is >= 0)
        {
            SamplingRules.ThinkTokensOf(tokenizer);
        }

        if (tokenizer is null)
        {
            FormattableString rule = $"needs a tokenizer, and this engine runs without one";
            SamplingParams.Check(p.Stop.Count == 0, nameof(p.Stop), rule, string.Join(", ", p.Stop));
            SamplingParams.Check(p.BadWords is null or { Count: 0 }, nameof(p.BadWords), rule, p.BadWords?.Count);
        }

        return new ValidatedRequest(request, Math.Min(p.MaxTokens ?? int.MaxValue, options.MaxModelLen - length));
    }

    // A tokenizer may know more tokens than the model has rows for: then it was the text that held one.
    private static void CheckPrompt(IReadOnlyList<int> prompt, int vocabSize, Tokenizer? tokenizer)
    {
        foreach (int token in prompt)
        {
            if ((uint)token >= (uint)vocabSize && tokenizer?.IdToToken(token) is { } text)
            {
                string end = $"but the model's vocabulary ends at {vocabSize - 1}: leave it out";
                throw new InvalidRequestException(
                    Prompt.Name, $"{Prompt} holds '{text}', the tokenizer's token {token}, {end}");
            }
        }

        CheckTokens(nameof(EngineRequest.Prompt), prompt, vocabSize);
    }

    private static void CheckPromptCandidates(SamplingParams p, int length, int vocabSize)
    {
        int start = p.PromptLogprobStart ?? 0;
        SamplingParams.Check(
            start < length, nameof(p.PromptLogprobStart), $"must be below the prompt's length ({length})", start);
        if (p.PromptLogprobTokenIds is not { } candidates)
        {
            return;
        }

        int rows = length - 1 - start;
        SamplingParams.Check(
            candidates.Count == 1 || candidates.Count == rows,
            nameof(p.PromptLogprobTokenIds),
            $"must hold one list for all rows, or one list for each of the {rows} scored prompt tokens",
            candidates.Count);
        foreach (IReadOnlyList<int> list in candidates)
        {
            CheckTokens(nameof(p.PromptLogprobTokenIds), list, vocabSize);
        }
    }

    private static void CheckLogprobs(string parameter, int? asked, int most, int vocabSize)
    {
        int count = asked == -1 ? vocabSize : asked ?? 0;
        SamplingParams.Check(most < 0 || count <= most, parameter, $"must be at most {most} ({Limit})", asked);
    }

    private static void CheckTokens(string parameter, IEnumerable<int> tokens, int vocabSize)
    {
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)vocabSize)
            {
                throw new InvalidRequestException(parameter, $"must hold token ids from 0 to {vocabSize - 1}", token);
            }
        }
    }
}

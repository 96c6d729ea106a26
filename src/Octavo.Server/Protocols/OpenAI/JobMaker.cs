using Octavo.Engine;
using Octavo.Server.Jobs;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>Turns requests into jobs: tokens, limits, and every check there is, before anything runs.</summary>
internal sealed class JobMaker(AsyncEngine engine, ChatSupport chat)
{
    private const int DefaultCompletionTokens = 16;

    private static long _jobs;

    /// <summary>A completion's job.</summary>
    /// <param name="request">What the body says.</param>
    /// <param name="client">Whose request it is; told by the transport, not by the body.</param>
    public Job Make(CompletionRequest request, string? client)
    {
        SamplingParams sampling = request.Sampling;
        if (request.Echo)
        {
            // The prompt's share of the log-probabilities.
            sampling = sampling with { PromptLogprobs = sampling.PromptLogprobs ?? sampling.Logprobs };
        }

        int? asked = request.PromptOnly ? 1 : request.MaxTokens;
        IEnumerable<PreparedPrompt> prompts = request.Prompts.Select(p => Encode(p, request));
        return Make(request, client, prompts, sampling, asked, DefaultCompletionTokens);
    }

    /// <summary>A chat's job.</summary>
    /// <param name="request">What the body says.</param>
    /// <param name="client">Whose request it is; told by the transport, not by the body.</param>
    public Job Make(ChatRequest request, string? client)
    {
        SamplingParams sampling = request.Sampling;
        if (request.Logprobs)
        {
            sampling = sampling with { Logprobs = request.TopLogprobs };
        }

        Thinking.CheckOff(request, chat.Prompts);

        Prompt prompt = request.Conversation.Render(chat.Prompts, request.Notes);
        return Make(request, client, [Encode(prompt, request)], sampling, request.MaxTokens, null);
    }

    private Job Make(
        GenerationRequest request,
        string? client,
        IEnumerable<PreparedPrompt> prompts,
        SamplingParams sampling,
        int? asked,
        int? otherwise)
    {
        sampling = sampling with { OutputKind = request.Stream ? OutputKind.Delta : OutputKind.FinalOnly };
        List<PreparedPrompt> prepared = [.. prompts];
        int room = int.MaxValue;
        for (int i = 0; i < prepared.Count; i++)
        {
            prepared[i] = Truncate(prepared[i], request, asked);
            CheckLength(request, prepared[i].TokenIds.Length, asked);
            room = Math.Min(room, engine.Model.MaxModelLen - prepared[i].TokenIds.Length);
        }

        // The model's max_new_tokens is for requests that name no length; it does not bind those that do. Completions
        // that name none get OpenAI's own default where that is less. A prompt that is too long must still reach the
        // check that says so, hence at least 1.
        int unasked = Math.Min(engine.Model.GenerationDefaults.MaxNewTokens ?? int.MaxValue, otherwise ?? int.MaxValue);
        sampling = sampling with { MaxTokens = asked ?? Math.Max(1, Math.Min(unasked, room)) };
        string id = request.IdPrefix + (request.Options.RequestId ?? Guid.NewGuid().ToString("N"));
        long number = Interlocked.Increment(ref _jobs);
        List<ValidatedRequest> requests = [.. prepared.Select((prompt, i) =>
        {
            // The number keeps ids apart that clients chose alike.
            RequestOptions options = request.Options with { RequestId = $"{id}-{number}-{i}", Client = client };
            return Prepare(request, prompt, sampling, options);
        })];
        return new Job(id, prepared, requests, request.UseBeamSearch ? BeamsOf(request, sampling) : null);
    }

    private static BeamSearchParams BeamsOf(GenerationRequest request, SamplingParams sampling) => new()
    {
        BeamWidth = sampling.N,
        MaxTokens = sampling.MaxTokens!.Value,
        IgnoreEos = sampling.IgnoreEos,
        LengthPenalty = request.LengthPenalty,
    };

    private PreparedPrompt Encode(Prompt prompt, GenerationRequest request)
    {
        if (prompt.TokenIds is { } ids)
        {
            // Whoever names a special token's id means it: it stands in the echo as any other.
            string text = request.Echo && engine.Tokenizer is { } tokenizer
                ? tokenizer.Decode([.. ids], skipSpecialTokens: false)
                : string.Empty;
            return new PreparedPrompt([.. ids], text, Range.All, []);
        }

        int[] tokens = engine.Encode(prompt with { AddSpecialTokens = request.AddSpecialTokens });
        if (!request.Echo)
        {
            return new PreparedPrompt(tokens, prompt.Text!, Range.All, []);
        }

        int[] bare = engine.Encode(prompt with { AddSpecialTokens = false });
        int start = tokens.AsSpan().IndexOf(bare);
        return new PreparedPrompt(tokens, prompt.Text!, start < 0 ? Range.All : start..(start + bare.Length), []);
    }

    private PreparedPrompt Truncate(PreparedPrompt prompt, GenerationRequest request, int? maxTokens)
    {
        if (request.TruncatePromptTokens is not { } asked)
        {
            return prompt;
        }

        int longest = engine.Model.MaxModelLen;
        if (asked > longest)
        {
            throw ApiException.BadRequest(
                "truncate_prompt_tokens",
                $"truncate_prompt_tokens must be at most the model's length, {longest}; it is {asked}");
        }

        int keep = asked == -1 ? Math.Max(1, longest - (maxTokens ?? 1)) : asked;
        int[] tokens = prompt.TokenIds;
        if (tokens.Length <= keep)
        {
            return prompt;
        }

        int first = request.TruncateRight ? 0 : tokens.Length - keep;
        (int start, int count) = prompt.TextTokens.GetOffsetAndLength(tokens.Length);
        return new PreparedPrompt(
            tokens[first..(first + keep)], prompt.Text, Kept(start)..Kept(
                start + count), tokens[Math.Min(start, first)..Math.Min(first, start + count)]);

        int Kept(int at) => Math.Clamp(at - first, 0, keep);
    }

    private void CheckLength(GenerationRequest request, int promptTokens, int? maxTokens)
    {
        int longest = engine.Model.MaxModelLen;
        if (promptTokens >= longest || (long)promptTokens + (maxTokens ?? 0) > longest)
        {
            string asked = maxTokens is null
                ? $"your prompt has {promptTokens} tokens, and at least one more is needed for the output"
                : $"you requested {(long)promptTokens + maxTokens} tokens ({promptTokens} in the prompt, {maxTokens} "
                    + "in the completion)";
            throw ApiException.BadRequest(
                request.NameOf(promptTokens >= longest ? nameof(Prompt) : nameof(SamplingParams.MaxTokens)),
                $"This model's maximum context length is {longest} tokens. However, {asked}. Please reduce the length "
                    + "of the prompt or the completion.",
                ApiException.ContextLength);
        }
    }

    private ValidatedRequest Prepare(
        GenerationRequest request, PreparedPrompt prompt, SamplingParams sampling, RequestOptions options)
    {
        try
        {
            ValidatedRequest prepared = engine.Prepare(prompt.TokenIds, sampling, options);
            if (request.UseBeamSearch)
            {
                // Beam search asks for this many candidates at each step.
                engine.Prepare(prompt.TokenIds, new SamplingParams { Logprobs = 2 * sampling.N });
            }

            return prepared;
        }
        catch (InvalidRequestException e)
            when (request.UseBeamSearch && e.Parameter == nameof(SamplingParams.Logprobs))
        {
            throw ApiException.BadRequest(
                "n", $"n, the number of beams, asks for {2 * sampling.N} candidates: {e.Describe(WireNames.Of)}");
        }
        catch (InvalidRequestException e)
        {
            throw ApiException.From(e, request.NameOf);
        }
    }
}

using System.Text.Json;
using Octavo.Server.Jobs;
using Octavo.Text;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>Answers of <c>/v1/completions</c>.</summary>
internal sealed class CompletionResponse(Tokenizer? tokenizer, ServedModel model, CompletionRequest request, Job job)
    : GenerationResponse(tokenizer, model, request, job)
{
    protected override string ObjectName => "text_completion";

    protected override string ChunkName => "text_completion";

    protected override void WriteChoice(
        Utf8JsonWriter json, int prompt, ChoiceProgress progress, RequestOutput output, CompletionOutput choice)
    {
        bool first = !progress.Started;
        progress.Started = true;
        string text = request.PromptOnly ? string.Empty : choice.Text;
        json.WriteStartObject();
        json.WriteNumber("index", progress.Index);
        json.WriteString("text", first && request.Echo ? Job.Prompts[prompt].Text + text : text);
        WriteLogprobs(json, prompt, progress, output, choice, first);
        WriteFinish(json, choice);
        if (request.Sampling.PromptLogprobs is not null && output.PromptLogprobs is { } promptLogprobs)
        {
            TokenText.WritePrompt(json, promptLogprobs);
        }

        if (request.ReturnTokenIds)
        {
            if (first)
            {
                json.WriteNumbers("prompt_token_ids", Job.Prompts[prompt].TokenIds);
            }

            json.WriteNumbers("token_ids", request.PromptOnly ? [] : choice.TokenIds);
        }

        json.WriteEndObject();
    }

    protected override void WriteChoiceEvents(
        EventWriter events, int prompt, ChoiceProgress progress, RequestOutput output, CompletionOutput choice)
    {
        Count(progress, choice);
        bool says = choice.Text.Length > 0 || choice.FinishReason is not null || (request.Echo && !progress.Started)
            || choice.Logprobs is { Count: > 0 } || request.ReturnTokenIds || request.ContinuousUsage;
        if (says)
        {
            WriteEvent(events, json => WriteChoice(json, prompt, progress, output, choice));
        }
    }

    protected override void Count(ChoiceProgress progress, CompletionOutput choice)
    {
        if (!request.PromptOnly)
        {
            base.Count(progress, choice);
        }
    }

    private void WriteLogprobs(
        Utf8JsonWriter json, int prompt, ChoiceProgress progress, RequestOutput output, CompletionOutput choice, bool first)
    {
        if (choice.Logprobs is null)
        {
            json.WriteNull("logprobs");
            return;
        }

        List<int> tokens = [];
        List<int> offsets = [];
        List<PositionLogprobs?> positions = [];
        int[] promptIds = Job.Prompts[prompt].TokenIds;
        bool withPrompt = request.Echo && first;
        if (withPrompt)
        {
            tokens.AddRange(promptIds);
            offsets.AddRange(progress.PromptOffsets(Tokenizer, Job.Prompts[prompt]));
            positions.AddRange(output.PromptLogprobs ?? new PositionLogprobs?[promptIds.Length]);
        }

        if (!request.PromptOnly)
        {
            tokens.AddRange(choice.TokenIds);
            offsets.AddRange(
                progress.NextOffsets(Tokenizer, promptIds, request.Sampling.SkipSpecialTokens, choice.TokenIds));
            positions.AddRange(choice.Logprobs);
        }

        TokenText.WriteCompletion(json, tokens, positions, offsets);
    }
}

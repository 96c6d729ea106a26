using System.Text.Json;
using Octavo.Server.Jobs;
using Octavo.Text;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>Answers of <c>/v1/chat/completions</c>.</summary>
internal sealed class ChatResponse(Tokenizer? tokenizer, ServedModel model, ChatRequest request, Job job)
    : GenerationResponse(tokenizer, model, request, job)
{
    protected override string ObjectName => "chat.completion";

    protected override string ChunkName => "chat.completion.chunk";

    // vLLM's echo in a chat: the last message, where it is the same speaker who goes on.
    private string EchoedText =>
        request.Echo && request.Conversation.Messages[^1] is { } last && last.Role == request.Conversation.ResponseRole
            ? last.Content
            : string.Empty;

    protected override void WriteChoice(
        Utf8JsonWriter json, int prompt, ChoiceProgress progress, RequestOutput output, CompletionOutput choice)
    {
        json.WriteStartObject();
        json.WriteNumber("index", progress.Index);
        json.WriteStartObject("message");
        json.WriteString("role", request.Conversation.ResponseRole);
        json.WriteString("content", EchoedText + choice.Text);
        json.WriteNull("refusal");
        json.WriteEndObject();
        WriteLogprobs(json, choice);
        WriteFinish(json, choice);
        if (request.ReturnTokenIds)
        {
            json.WriteNumbers("token_ids", choice.TokenIds);
        }

        json.WriteEndObject();
    }

    protected override void WriteWholeEnd(Utf8JsonWriter json, RequestOutput[] outputs)
    {
        if (request.Sampling.PromptLogprobs is not null && outputs[0].PromptLogprobs is { } promptLogprobs)
        {
            TokenText.WritePrompt(json, promptLogprobs);
        }

        WritePromptTokenIds(json);
    }

    // First the role, then what is said, last why it ended: a chunk each, as OpenAI has them.
    protected override void WriteChoiceEvents(
        EventWriter events, int prompt, ChoiceProgress progress, RequestOutput output, CompletionOutput choice)
    {
        if (!progress.Started)
        {
            progress.Started = true;
            WriteDelta(events, progress, null, WriteRole, WritePromptTokenIds);
            if (EchoedText is { Length: > 0 } echoed)
            {
                WriteDelta(events, progress, null, json => json.WriteString("content", echoed));
            }
        }

        Count(progress, choice);
        bool says = choice.Text.Length > 0 || choice.Logprobs is { Count: > 0 }
            || (choice.TokenIds.Count > 0 && (request.ReturnTokenIds || request.ContinuousUsage));
        if (says)
        {
            WriteDelta(
                events,
                progress,
                choice with { FinishReason = null, StopReason = null },
                json => json.WriteString("content", choice.Text));
        }

        if (choice.FinishReason is not null)
        {
            WriteDelta(events, progress, choice with { TokenIds = [], Logprobs = null }, _ => { });
        }
    }

    private void WriteRole(Utf8JsonWriter json)
    {
        json.WriteString("role", request.Conversation.ResponseRole);
        json.WriteString("content", string.Empty);
    }

    private void WritePromptTokenIds(Utf8JsonWriter json)
    {
        if (request.ReturnTokenIds)
        {
            json.WriteNumbers("prompt_token_ids", Job.Prompts[0].TokenIds);
        }
    }

    private void WriteDelta(
        EventWriter events, ChoiceProgress progress, CompletionOutput? choice, Action<Utf8JsonWriter> delta, Action<Utf8JsonWriter>? head = null) =>
        WriteEvent(
            events,
            json =>
            {
                json.WriteStartObject();
                json.WriteNumber("index", progress.Index);
                json.WriteStartObject("delta");
                delta(json);
                json.WriteEndObject();
                WriteLogprobs(json, choice);
                if (choice?.FinishReason is null)
                {
                    json.WriteNull("finish_reason");
                }
                else
                {
                    WriteFinish(json, choice);
                }

                if (request.ReturnTokenIds && choice is { TokenIds.Count: > 0 })
                {
                    json.WriteNumbers("token_ids", choice.TokenIds);
                }

                json.WriteEndObject();
            },
            head);

    private void WriteLogprobs(Utf8JsonWriter json, CompletionOutput? choice)
    {
        if (choice?.Logprobs is { } logprobs)
        {
            TokenText.WriteChat(json, logprobs);
        }
        else
        {
            json.WriteNull("logprobs");
        }
    }
}

using System.Text.Json;
using Octavo.Server.Jobs;
using Octavo.Text;

namespace Octavo.Server.Protocols.OpenAI;

/// <summary>What every answer is written by: its head, its usage, and the order of its events.</summary>
internal abstract class GenerationResponse : IResponse
{
    private readonly ServedModel _model;
    private readonly GenerationRequest _request;
    private readonly long _created;
    private readonly int[] _cachedTokens;     // prompt -> its tokens that the prefix cache held
    private readonly ChoiceProgress[] _choices;

    protected GenerationResponse(Tokenizer? tokenizer, ServedModel model, GenerationRequest request, Job job)
    {
        (Tokenizer, Job, _model, _request) = (tokenizer, job, model, request);
        _created = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        _cachedTokens = new int[job.Prompts.Count];
        _choices = [.. Enumerable.Range(0, job.Prompts.Count * job.N).Select(i => new ChoiceProgress(i))];
        TokenText = new TokenText(tokenizer, request.ReturnTokensAsTokenIds);
    }

    protected Tokenizer? Tokenizer { get; }

    protected Job Job { get; }

    protected TokenText TokenText { get; }

    protected abstract string ObjectName { get; }

    protected abstract string ChunkName { get; }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter json, RequestOutput[] outputs)
    {
        WriteHead(json, ObjectName);
        json.WriteStartArray("choices");
        for (int prompt = 0; prompt < outputs.Length; prompt++)
        {
            Note(prompt, outputs[prompt]);
            foreach (CompletionOutput choice in outputs[prompt].Outputs.OrderBy(o => o.Index))
            {
                ChoiceProgress progress = ProgressOf(prompt, choice);
                WriteChoice(json, prompt, progress, outputs[prompt], choice);
                Count(progress, choice);
            }
        }

        json.WriteEndArray();
        WriteUsage(json);
        WriteWholeEnd(json, outputs);
        json.WriteEndObject();
    }

    /// <inheritdoc/>
    public void WriteEvents(EventWriter events, int prompt, RequestOutput output)
    {
        Note(prompt, output);
        foreach (CompletionOutput choice in output.Outputs)
        {
            ChoiceProgress progress = ProgressOf(prompt, choice);
            WriteChoiceEvents(events, prompt, progress, output, choice);
        }
    }

    /// <inheritdoc/>
    public void WriteLastEvents(EventWriter events)
    {
        if (_request.IncludeUsage)
        {
            events.Write(json =>
            {
                WriteHead(json, ChunkName);
                json.WriteStartArray("choices");
                json.WriteEndArray();
                WriteUsage(json);
                json.WriteEndObject();
            });
        }

        events.WriteDone();
    }

    /// <inheritdoc/>
    public void WriteError(EventWriter events, ApiException error)
    {
        events.Write(error.Write);
        events.WriteDone();
    }

    protected abstract void WriteChoice(
        Utf8JsonWriter json, int prompt, ChoiceProgress progress, RequestOutput output, CompletionOutput choice);

    /// <summary>Writes the events of what is new in a choice; each is counted once, by <see cref="Count"/>.</summary>
    protected abstract void WriteChoiceEvents(
        EventWriter events, int prompt, ChoiceProgress progress, RequestOutput output, CompletionOutput choice);

    /// <summary>What a whole answer says after its usage.</summary>
    protected virtual void WriteWholeEnd(Utf8JsonWriter json, RequestOutput[] outputs)
    {
    }

    /// <summary>An event around one choice; <paramref name="head"/> adds to the event itself.</summary>
    protected void WriteEvent(
        EventWriter events, Action<Utf8JsonWriter> choice, Action<Utf8JsonWriter>? head = null) => events.Write(json =>
    {
        WriteHead(json, ChunkName);
        head?.Invoke(json);
        json.WriteStartArray("choices");
        choice(json);
        json.WriteEndArray();
        if (_request.ContinuousUsage)
        {
            WriteUsage(json);
        }
        else if (_request.IncludeUsage)
        {
            json.WriteNull("usage");
        }

        json.WriteEndObject();
    });

    protected virtual void Count(ChoiceProgress progress, CompletionOutput choice) =>
        progress.NumTokens += choice.TokenIds.Count;

    protected static void WriteFinish(Utf8JsonWriter json, CompletionOutput choice)
    {
        json.WriteString("finish_reason", FinishWord(choice.FinishReason));
        switch (choice.StopReason)
        {
            case null when choice.FinishReason is FinishReason.Repetition:
                json.WriteString("stop_reason", "repetition_detected");
                break;
            case { TokenId: { } id }:
                json.WriteNumber("stop_reason", id);
                break;
            case { Text: { } text }:
                json.WriteString("stop_reason", text);
                break;
            default:
                json.WriteNull("stop_reason");
                break;
        }
    }

    // OpenAI's words, which typed clients insist on. A failed request is answered with an error, never with a choice.
    private static string? FinishWord(FinishReason? reason) => reason is not { } ended ? null : ended switch
    {
        FinishReason.Length => "length",
        FinishReason.Stop or FinishReason.Repetition or FinishReason.Abort or FinishReason.Error => "stop",
    };

    private void WriteHead(Utf8JsonWriter json, string objectName)
    {
        json.WriteStartObject();
        json.WriteString("id", Job.Id);
        json.WriteString("object", objectName);
        json.WriteNumber("created", _created);
        json.WriteString("model", _model.Name);
        json.WriteString("system_fingerprint", _model.Fingerprint);
    }

    private void WriteUsage(Utf8JsonWriter json)
    {
        int prompt = Job.Prompts.Sum(p => p.TokenIds.Length);
        int completion = _choices.Sum(c => c.NumTokens);
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", prompt);
        json.WriteNumber("completion_tokens", completion);
        json.WriteNumber("total_tokens", prompt + completion);
        json.WriteStartObject("prompt_tokens_details");
        json.WriteNumber("cached_tokens", _cachedTokens.Sum());
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private void Note(int prompt, RequestOutput output) =>
        _cachedTokens[prompt] = Math.Max(_cachedTokens[prompt], output.NumCachedTokens);

    private ChoiceProgress ProgressOf(int prompt, CompletionOutput choice) => _choices[(prompt * Job.N) + choice.Index];
}

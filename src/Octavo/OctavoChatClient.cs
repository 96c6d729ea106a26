using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Octavo.Engine;
using TextMessage = Octavo.Text.ChatMessage;

namespace Octavo;

/// <summary>
/// An engine as an <see cref="IChatClient"/>, so that anything written for Microsoft.Extensions.AI runs on it. Safe for
/// use from any thread; calls in flight share the engine's steps.
/// </summary>
/// <remarks>
/// What a <see cref="ChatOptions"/> leaves open comes from <see cref="ModelInfo.DefaultSamplingParams"/>; an answer may
/// be as long as the model's <c>max_new_tokens</c> says, else as the context allows. Tools, content other than text,
/// JSON formats and server-side conversations are refused with a <see cref="NotSupportedException"/> that names the
/// option. Sampling beyond <see cref="ChatOptions"/> comes from a <see cref="SamplingParams"/> that
/// <see cref="ChatOptions.RawRepresentationFactory"/> gives; the options' own values are laid over it.
/// </remarks>
/// <example>
/// <code>
/// using AsyncEngine engine = AsyncEngine.Load("models/Llama-3.2-1B-Instruct");
/// IChatClient client = engine.AsChatClient();
/// Console.WriteLine(await client.GetResponseAsync("Why is the sky blue?"));
/// </code>
/// </example>
public sealed class OctavoChatClient : IChatClient
{
    private const string ProviderName = "octavo";

    private readonly AsyncEngine _engine;
    private readonly ChatPrompts _prompts;
    private readonly ChatClientMetadata _metadata;
    private readonly TimeProvider _time;

    /// <summary>Makes a client over an engine, which stays the caller's to dispose.</summary>
    /// <param name="engine">Runs the model.</param>
    /// <param name="time">Dates the responses; null takes the system's clock.</param>
    /// <exception cref="InvalidRequestException">The model has no tokenizer or no chat template.</exception>
    public OctavoChatClient(AsyncEngine engine, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(engine);
        (_engine, _prompts, _time) = (engine, new ChatPrompts(engine), time ?? TimeProvider.System);
        _metadata = new ChatClientMetadata(ProviderName, providerUri: null, engine.Model.Name);
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">
    /// The messages or options ask for something that is not supported.
    /// </exception>
    /// <exception cref="InvalidRequestException">
    /// The request cannot be run: a value is out of range, or the conversation is too long.
    /// </exception>
    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        (Prompt prompt, SamplingParams sampling) = Translate(messages, options);
        RequestOutput output = await _engine.GenerateAsync(prompt, sampling, null, cancellationToken)
            .ConfigureAwait(false);
        CompletionOutput answer = output.Outputs[0];
        return new ChatResponse(new ChatMessage(ChatRole.Assistant, answer.Text) { MessageId = output.RequestId })
        {
            ResponseId = output.RequestId,
            ModelId = _engine.Model.Name,
            CreatedAt = _time.GetUtcNow(),
            FinishReason = Map(answer.FinishReason),
            Usage = Count(output, answer.TokenIds.Count),
            RawRepresentation = output,
        };
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">
    /// The messages or options ask for something that is not supported.
    /// </exception>
    /// <exception cref="InvalidRequestException">
    /// The request cannot be run: a value is out of range, or the conversation is too long.
    /// </exception>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        (Prompt prompt, SamplingParams sampling) = Translate(messages, options);
        DateTimeOffset created = _time.GetUtcNow();
        int tokens = 0;
        await foreach (RequestOutput output in _engine.StreamAsync(prompt, sampling, null, cancellationToken)
            .ConfigureAwait(false))
        {
            foreach (CompletionOutput piece in output.Outputs)
            {
                tokens += piece.TokenIds.Count;
                if (piece.Text.Length > 0)
                {
                    yield return Update(output, new TextContent(piece.Text));
                }
            }

            if (output.Finished)
            {
                ChatResponseUpdate last = Update(output, new UsageContent(Count(output, tokens)));
                last.FinishReason = Map(output.Outputs.Count > 0 ? output.Outputs[0].FinishReason : null);
                yield return last;
            }
        }

        ChatResponseUpdate Update(RequestOutput output, AIContent content) => new(ChatRole.Assistant, [content])
        {
            ResponseId = output.RequestId,
            MessageId = output.RequestId,
            ModelId = _engine.Model.Name,
            CreatedAt = created,
            RawRepresentation = output,
        };
    }

    /// <summary>
    /// Finds what stands behind the client: <see cref="ChatClientMetadata"/>, <see cref="AsyncEngine"/>, or itself.
    /// </summary>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType == typeof(AsyncEngine) ? _engine
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <summary>Does nothing: the engine is disposed by who loaded it.</summary>
    public void Dispose()
    {
        // The interface demands it; there is nothing of its own to free.
    }

    private (Prompt Prompt, SamplingParams Sampling) Translate(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        ArgumentNullException.ThrowIfNull(messages);
        List<TextMessage> conversation = [];
        foreach (ChatMessage message in messages)
        {
            conversation.Add(message is null
                ? throw new ArgumentException($"message {conversation.Count} is null", nameof(messages))
                : new TextMessage(message.Role.Value, TextOf(message)));
        }

        if (options is null)
        {
            return (_prompts.Render(conversation), Sample(new ChatOptions()));
        }

        Refuse(options);
        if (!string.IsNullOrEmpty(options.Instructions))
        {
            conversation.Insert(0, new TextMessage(ChatRole.System.Value, options.Instructions));
        }

        return (_prompts.Render(conversation), Sample(options));
    }

    private SamplingParams Sample(ChatOptions options)
    {
        bool own = options.RawRepresentationFactory is not null;
        SamplingParams defaults = options.RawRepresentationFactory?.Invoke(this) switch
        {
            null => _engine.Model.DefaultSamplingParams,
            SamplingParams given => given,
            { } other => throw new NotSupportedException(
                $"ChatOptions.{nameof(options.RawRepresentationFactory)} gave {other.GetType().Name}; this client "
                + $"takes {nameof(SamplingParams)}"),
        };
        return defaults with
        {
            MaxTokens =
                options.MaxOutputTokens ?? (own ? defaults.MaxTokens : _engine.Model.GenerationDefaults.MaxNewTokens),
            Temperature = options.Temperature ?? defaults.Temperature,
            TopP = options.TopP ?? defaults.TopP,
            TopK = options.TopK ?? defaults.TopK,
            FrequencyPenalty = options.FrequencyPenalty ?? defaults.FrequencyPenalty,
            PresencePenalty = options.PresencePenalty ?? defaults.PresencePenalty,
            Seed = options.Seed ?? defaults.Seed,
            Stop = options.StopSequences is { } stop ? [.. stop] : defaults.Stop,
        };
    }

    private void Refuse(ChatOptions options)
    {
        Check(
            options.Tools is not { Count: > 0 } || options.ToolMode is NoneChatToolMode,
            nameof(options.Tools),
            "this client calls no tools");
        Check(options.ToolMode is not RequiredChatToolMode, nameof(options.ToolMode), "this client calls no tools");
        Check(
            options.ResponseFormat is null or ChatResponseFormatText,
            nameof(options.ResponseFormat),
            "only text can be asked for");
        Check(
            options.ConversationId is null,
            nameof(options.ConversationId),
            "no conversations are kept; send all messages");
        Check(
            options.AdditionalProperties is not { Count: > 0 },
            nameof(options.AdditionalProperties),
            $"they would have no effect; give a {nameof(SamplingParams)} by "
                + $"{nameof(options.RawRepresentationFactory)}");
        Check(
            options.ModelId is null || options.ModelId == _engine.Model.Name,
            nameof(options.ModelId),
            $"this client serves {_engine.Model.Name}, not {options.ModelId}");
    }

    private static void Check(bool holds, string option, string reason)
    {
        if (!holds)
        {
            throw new NotSupportedException($"ChatOptions.{option} is not supported: {reason}");
        }
    }

    private static string TextOf(
        ChatMessage message) => TextMessage.JoinParts(message.Contents.Select(content => content is TextContent part
        ? part.Text
        : throw new NotSupportedException(
            $"{content.GetType().Name} in a message is not supported: only text is read")));

    private static UsageDetails Count(RequestOutput output, int made) => new()
    {
        InputTokenCount = output.PromptTokenIds.Count,
        CachedInputTokenCount = output.NumCachedTokens,
        OutputTokenCount = made,
        TotalTokenCount = output.PromptTokenIds.Count + made,
    };

    private static ChatFinishReason? Map(FinishReason? reason) => reason is not { } ended ? null : ended switch
    {
        FinishReason.Stop => ChatFinishReason.Stop,
        FinishReason.Length => ChatFinishReason.Length,
        FinishReason.Abort or FinishReason.Error or FinishReason.Repetition => new ChatFinishReason(ended.ToWireName()),
    };
}

/// <summary>Ways to see an engine.</summary>
public static class AsyncEngineExtensions
{
    /// <summary>
    /// The engine as a chat client of Microsoft.Extensions.AI; the engine stays the caller's to dispose.
    /// </summary>
    /// <exception cref="InvalidRequestException">The model has no tokenizer or no chat template.</exception>
    public static IChatClient AsChatClient(this AsyncEngine engine) => new OctavoChatClient(engine);
}

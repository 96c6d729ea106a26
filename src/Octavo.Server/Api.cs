using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Octavo.Server.Generation;
using Octavo.Server.Http;
using Octavo.Server.Metrics;
using Octavo.Server.Requests;
using Octavo.Server.Responses;
using Octavo.Text;

namespace Octavo.Server;

/// <summary>The endpoints over one engine, and what they share.</summary>
internal sealed partial class Api : IDisposable
{
    private const int MaxRequestIdLength = 256;

    private readonly AsyncEngine _engine;
    private readonly ServerOptions _options;
    private readonly JobMaker _jobs;
    private readonly IReadOnlyList<string> _names;
    private readonly ServedModel _served;
    private readonly ILogger _log;
    private readonly FieldLog _fieldLog;
    private int _hasAdvice;
    private readonly long _started = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();

    public Api(AsyncEngine engine, ServerOptions options, ILoggerFactory? loggers)
    {
        (_engine, _options) = (engine, options);
        _names = options.ServedModelNames is { Count: > 0 } names ? names : [engine.Model.Name];
        _served = ServedModel.Of(engine.Model, _names[0], Version);
        _log = (options.LoggerFactory ?? loggers ?? NullLoggerFactory.Instance).CreateLogger("Octavo.Server");
        _fieldLog = new FieldLog(_log);
        foreach (string note in engine.Model.Notes)
        {
            LogNote(_log, note);
        }

        Metrics = new ServerMetrics(engine);
        var chat = new ChatSupport(engine);
        _jobs = new JobMaker(engine, chat);
        if (chat.WhyNot is ChatTemplateException unsupported)
        {
            LogChatOff(_log, unsupported.Message);
        }
    }

    public RequestGate Gate { get; } = new();

    public ServerMetrics Metrics { get; }

    public IEndpointConventionBuilder Map(IEndpointRouteBuilder routes)
    {
        RouteGroupBuilder group = routes.MapGroup(string.Empty);
        MapOpenAI(group, "/v1");

        // For clients whose base address lacks the version; what the application itself has there goes before.
        RouteGroupBuilder unversioned = group.MapGroup(string.Empty);
        unversioned.WithOrder(1);
        MapOpenAI(unversioned, string.Empty);
        MapPost(group, "/tokenize", TokenizeAsync);
        MapPost(group, "/detokenize", DetokenizeAsync);
        MapGet(group, "/health", HealthAsync);
        MapGet(group, "/ping", HealthAsync);
        MapPost(group, "/ping", HealthAsync);
        MapGet(group, "/version", VersionAsync);
        MapGet(group, "/metrics", Metrics.WriteAsync);
        return group;
    }

    public void Dispose()
    {
        Metrics.Dispose();
        Gate.Dispose();
    }

    /// <summary>Gives an answer the client's own id, or a new one.</summary>
    public static void SetRequestId(HttpContext context)
    {
        string requestId = context.Request.Headers["X-Request-Id"].ToString();
        bool fits = requestId.Length is > 0 and <= MaxRequestIdLength && Ascii.IsValid(requestId);
        context.Response.Headers["X-Request-Id"] = fits ? requestId : Guid.NewGuid().ToString("N");
    }

    /// <summary>Maps the page at the root; an application that has its own does without.</summary>
    public void MapPage(IEndpointRouteBuilder routes) => MapGet(routes.MapGroup(string.Empty), "/", ShowPageAsync);

    private void MapOpenAI(RouteGroupBuilder group, string prefix)
    {
        MapPost(group, prefix + "/completions", CompleteAsync);
        MapPost(group, prefix + "/chat/completions", ChatAsync);
        MapGet(group, prefix + "/models", ListModelsAsync);
        MapGet(group, prefix + "/models/{**id}", ShowModelAsync);
    }

    // HEAD gets what GET would, without the body, which Kestrel leaves out.
    private void MapGet(RouteGroupBuilder group, string pattern, Func<HttpContext, Task> handler) =>
        Map(group, [HttpMethods.Get, HttpMethods.Head], pattern, handler);

    private void MapPost(RouteGroupBuilder group, string pattern, Func<HttpContext, Task> handler) =>
        Map(group, [HttpMethods.Post], pattern, handler);

    private void Map(RouteGroupBuilder group, string[] methods, string pattern, Func<HttpContext, Task> handler) =>
        group.MapMethods(pattern, methods, (RequestDelegate)(context => HandleAsync(context, pattern, handler)));

    // What surrounds every endpoint: the id, the limit, the errors, the count.
    private async Task HandleAsync(HttpContext context, string pattern, Func<HttpContext, Task> handler)
    {
        long started = _options.TimeProvider.GetTimestamp();
        SetRequestId(context);
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = _options.MaxRequestBodyBytes;
        }

        try
        {
            await handler(context);
        }
        catch (Exception e)
        {
            await AnswerAsync(context, e);
        }
        finally
        {
            Metrics.CountRequest(context, pattern, _options.TimeProvider.GetElapsedTime(started));
        }
    }

    private async Task AnswerAsync(HttpContext context, Exception failure)
    {
        if (ApiException.From(failure, context.RequestAborted.IsCancellationRequested) is not { } error)
        {
            NoteClientLeft(context);
            return;
        }

        LogError(context, error, failure);
        if (context.Response.HasStarted)
        {
            context.Abort();
            return;
        }

        try
        {
            await JsonOutput.WriteErrorAsync(context, error);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            NoteClientLeft(context);
        }
    }

    private void NoteClientLeft(HttpContext context)
    {
        LogClientLeft(_log, context.Request.Path);
        if (!context.Response.HasStarted)
        {
            context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
        }

        // A read may learn of the end before the connection does, which would then be drained in vain.
        context.Abort();
    }

    // What is expected of a server, refusing and shutting down, is no trouble; the rest is.
    private void LogError(HttpContext context, ApiException error, Exception failure)
    {
        if (error.Status >= StatusCodes.Status500InternalServerError && error.Status != StatusCodes.Status503ServiceUnavailable)
        {
            LogFailed(_log, context.Request.Path, failure);
        }
        else
        {
            LogRefused(_log, context.Request.Path, error.Status, error.Message);
        }
    }

    private Task CompleteAsync(HttpContext context) => GenerateAsync(
        context,
        new CompletionRequest(_engine.Model.DefaultSamplingParams),
        GenerationFields.Completion,
        _jobs.Make,
        (request, job) => new CompletionResponse(_engine.Tokenizer, _served, request, job));

    private Task ChatAsync(HttpContext context) => GenerateAsync(
        context,
        new ChatRequest(_engine.Model.DefaultSamplingParams),
        GenerationFields.Chat,
        _jobs.Make,
        (request, job) => new ChatResponse(_engine.Tokenizer, _served, request, job));

    private async Task GenerateAsync<TRequest>(
        HttpContext context,
        TRequest request,
        FieldTable<TRequest> fields,
        Func<TRequest, Job> prepare,
        Func<TRequest, Job, GenerationResponse> respond)
        where TRequest : GenerationRequest
    {
        Gate.Enter();
        try
        {
            // A client that sends or reads too slowly holds its request inside, where only the end of the connection reaches it.
            await using CancellationTokenRegistration cut = Gate.Cut.UnsafeRegister(static c => ((HttpContext)c!).Abort(), context);
            using (JsonDocument body = await RequestBody.ParseAsync(context))
            {
                fields.Read(new JsonValue(string.Empty, body.RootElement, request.Notes), request, request.Note);
            }

            // Without a tokenizer there is no text, so tokens are the answer.
            request.ReturnTokenIds |= _engine.Tokenizer is null;

            CheckModel(request.Model);
            request.Check();
            Job job = prepare(request);
            _fieldLog.Write(request.Notes);
            NoteAdvice();
            request.Client = ClientOf(context);
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, Gate.Aborted);
            await using JobRun run = await JobRun.StartAsync(_engine, job, request, ended.Token);
            GenerationResponse response = respond(request, job);
            if (request.Stream)
            {
                await StreamAsync(context, run, response);
            }
            else
            {
                RequestOutput[] outputs = await run.ReadFinalAsync();
                await JsonOutput.WriteAsync(context, StatusCodes.Status200OK, json => response.Write(json, outputs));
            }
        }
        finally
        {
            Gate.Leave();
        }
    }

    private async Task StreamAsync(HttpContext context, JobRun run, GenerationResponse response)
    {
        using EventStream events = await EventStream.StartAsync(context);
        try
        {
            await foreach ((int prompt, RequestOutput? output) in run.ReadAsync(_options.SseKeepAliveInterval, _options.TimeProvider))
            {
                if (output is null)
                {
                    events.WriteKeepAlive();
                }
                else
                {
                    response.WriteEvents(events, prompt, output);
                }

                await events.FlushAsync(context.RequestAborted);
            }

            response.WriteLastEvents(events);
        }
        catch (Exception e) when (ApiException.From(e, context.RequestAborted.IsCancellationRequested) is not null)
        {
            // The status has left already; the error follows as an event.
            ApiException error = ApiException.From(e, clientLeft: false)!;
            LogError(context, error, e);
            events.Write(json => JsonOutput.WriteError(json, error));
            events.WriteDone();
        }

        await events.FlushAsync(context.RequestAborted);
    }

    // For requests that are not generated from.
    private void Read<T>(JsonDocument body, T request, FieldTable<T> fields)
        where T : class
    {
        var notes = new FieldNotes();
        fields.Read(new JsonValue(string.Empty, body.RootElement, notes), request);
        _fieldLog.Write(notes);
    }

    /// <summary>Whose request it is: that of the key it carries. Nobody learns the key from it.</summary>
    private static string? ClientOf(HttpContext context) =>
        context.Request.Headers.Authorization.ToString() is { Length: > 0 } key && key.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
            ? key["Bearer ".Length..].Trim()
            : null;

    /// <summary>Logs what is wrong with the latency targets, once for each time that it begins or ends.</summary>
    private void NoteAdvice()
    {
        string? advice = _engine.BatchingAdvice;
        bool had = Interlocked.Exchange(ref _hasAdvice, advice is null ? 0 : 1) != 0;
        if (advice is not null && !had)
        {
            LogAdvice(_log, advice);
        }
    }

    private void CheckModel(string? name)
    {
        if (!string.IsNullOrEmpty(name) && !_names.Contains(name, StringComparer.Ordinal))
        {
            throw ApiException.NotFound("model", "model_not_found", $"The model `{name}` does not exist; served: {string.Join(", ", _names)}");
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Path}: the client has left; its request is aborted")]
    private static partial void LogClientLeft(ILogger logger, string path);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Path}: answered with {Status}: {Reason}")]
    private static partial void LogRefused(ILogger logger, string path, int status, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "model: {Note}")]
    private static partial void LogNote(ILogger logger, string note);

    [LoggerMessage(Level = LogLevel.Warning, Message = "chat: off, {Reason}")]
    private static partial void LogChatOff(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "batching: {Advice}")]
    private static partial void LogAdvice(ILogger logger, string advice);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Path} failed")]
    private static partial void LogFailed(ILogger logger, string path, Exception failure);
}

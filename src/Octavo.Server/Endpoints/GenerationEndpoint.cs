using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Octavo.Server.Http;
using Octavo.Server.Jobs;
using Octavo.Server.Protocols;

namespace Octavo.Server.Endpoints;

/// <summary>Carries a body to a protocol, its job to the engine, and what becomes of it to the client.</summary>
internal sealed partial class GenerationEndpoint(
    AsyncEngine engine, RequestGate gate, ServerOptions options, Envelope envelope, FieldLog fields, ILogger log)
{
    private int _hasAdvice;

    /// <summary>Answers a request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="read">Makes an exchange of its body and of whose it is.</param>
    public async Task AnswerAsync(HttpContext context, Func<JsonElement, string?, Exchange> read)
    {
        gate.Enter();
        try
        {
            // A client that sends or reads too slowly holds its request inside, where only the end of the connection
            // reaches it.
            await using CancellationTokenRegistration cut =
                gate.Cut.UnsafeRegister(static c => ((HttpContext)c!).Abort(), context);
            Exchange exchange;
            using (JsonDocument body = await RequestBody.ParseAsync(context))
            {
                exchange = read(body.RootElement, ClientOf(context));
            }

            fields.Write(exchange.Notes);
            NoteAdvice();
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, gate.Aborted);
            await using JobRun run = await JobRun.StartAsync(engine, exchange.Job, ended.Token);
            if (exchange.Stream)
            {
                await StreamAsync(context, run, exchange.Response);
            }
            else
            {
                RequestOutput[] outputs = await run.ReadFinalAsync();
                await JsonOutput.WriteAsync(context, json => exchange.Response.Write(json, outputs));
            }
        }
        finally
        {
            gate.Leave();
        }
    }

    private async Task StreamAsync(HttpContext context, JobRun run, IResponse response)
    {
        using EventStream stream = await EventStream.StartAsync(context);
        try
        {
            await foreach (JobEvent happened in run.ReadAsync(options.SseKeepAliveInterval, options.TimeProvider))
            {
                if (happened.Output is { } output)
                {
                    response.WriteEvents(stream.Events, happened.Prompt, output);
                }
                else
                {
                    stream.Events.WriteKeepAlive();
                }

                await stream.FlushAsync(context.RequestAborted);
            }

            response.WriteLastEvents(stream.Events);
        }
        catch (Exception e) when (HttpFailure.Explain(e, context.RequestAborted.IsCancellationRequested) is not null)
        {
            // The status has left already; the error follows as an event.
            ApiException error = HttpFailure.Explain(e, clientLeft: false)!;
            envelope.LogError(context, error, e);
            response.WriteError(stream.Events, error);
        }

        await stream.FlushAsync(context.RequestAborted);
    }

    /// <summary>Whose request it is: that of the key it carries. Nobody learns the key from it.</summary>
    private static string? ClientOf(HttpContext context) =>
        context.Request.Headers.Authorization.ToString() is { Length: > 0 } key
        && key.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
            ? key["Bearer ".Length..].Trim()
            : null;

    /// <summary>Logs what is wrong with the latency targets, once for each time that it begins or ends.</summary>
    private void NoteAdvice()
    {
        string? advice = engine.BatchingAdvice;
        bool had = Interlocked.Exchange(ref _hasAdvice, advice is null ? 0 : 1) != 0;
        if (advice is not null && !had)
        {
            LogAdvice(log, advice);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "batching: {Advice}")]
    private static partial void LogAdvice(ILogger logger, string advice);
}

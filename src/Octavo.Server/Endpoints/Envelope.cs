using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Octavo.Server.Http;
using Octavo.Server.Metrics;
using Octavo.Server.Protocols;

namespace Octavo.Server.Endpoints;

/// <summary>What surrounds every endpoint: the id, the limit, the errors, the count.</summary>
internal sealed partial class Envelope(ServerOptions options, ServerMetrics metrics, ILogger log)
{
    public async Task HandleAsync(HttpContext context, string pattern, Func<HttpContext, Task> handler)
    {
        long started = options.TimeProvider.GetTimestamp();
        RequestId.Set(context);
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = options.MaxRequestBodyBytes;
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
            metrics.CountRequest(context, pattern, options.TimeProvider.GetElapsedTime(started));
        }
    }

    // What is expected of a server, refusing and shutting down, is no trouble; the rest is.
    public void LogError(HttpContext context, ApiException error, Exception failure)
    {
        if (error.Status >= HttpStatusCode.InternalServerError && error.Status != HttpStatusCode.ServiceUnavailable)
        {
            LogFailed(log, context.Request.Path, failure);
        }
        else
        {
            LogRefused(log, context.Request.Path, (int)error.Status, error.Message);
        }
    }

    private async Task AnswerAsync(HttpContext context, Exception failure)
    {
        if (HttpFailure.Explain(failure, context.RequestAborted.IsCancellationRequested) is not { } error)
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
        LogClientLeft(log, context.Request.Path);
        if (!context.Response.HasStarted)
        {
            context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
        }

        // A read may learn of the end before the connection does, which would then be drained in vain.
        context.Abort();
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Path}: the client has left; its request is aborted")]
    private static partial void LogClientLeft(ILogger logger, string path);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Path}: answered with {Status}: {Reason}")]
    private static partial void LogRefused(ILogger logger, string path, int status, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Path} failed")]
    private static partial void LogFailed(ILogger logger, string path, Exception failure);
}

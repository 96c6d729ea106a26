using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Octavo.Server.Metrics;
using Octavo.Server.Protocols;

namespace Octavo.Server.Http;

/// <summary>
/// What a server of its own does around the endpoints: turns away who may not enter, and who lost their way.
/// </summary>
internal sealed class FrontDoor(OriginGuard guard, ServerMetrics metrics, TimeProvider time)
{
    /// <summary>The middleware that decides who may go on.</summary>
    public async Task GuardAsync(HttpContext context, RequestDelegate next)
    {
        if (guard.Check(context) is { } refusal)
        {
            await RefuseAsync(context, refusal);
        }
        else if (!guard.AddHeaders(context))
        {
            await next(context);
        }
    }

    /// <summary>The middleware that answers wrong paths and methods in the same shape as everything else.</summary>
    public async Task AnswerUnmatchedAsync(HttpContext context, RequestDelegate next)
    {
        await next(context);
        if (context.Response.HasStarted || context.GetEndpoint() is RouteEndpoint)
        {
            return;
        }

        string path = context.Request.Path;
        ApiException? error = context.Response.StatusCode switch
        {
            StatusCodes.Status404NotFound =>
                ApiException.NotFound(null, "not_found", $"there is nothing at {path}; {PathAdvice.For(path)}"),
            StatusCodes.Status405MethodNotAllowed => new ApiException(
                HttpStatusCode.MethodNotAllowed,
                ApiException.InvalidRequest,
                null,
                "method_not_allowed",
                $"{context.Request.Method} is not allowed at {path}; allowed: {context.Response.Headers.Allow}"),
            _ => null,
        };
        if (error is not null)
        {
            await RefuseAsync(context, error);
        }
    }

    private async Task RefuseAsync(HttpContext context, ApiException error)
    {
        long started = time.GetTimestamp();
        RequestId.Set(context);
        await JsonOutput.WriteErrorAsync(context, error);
        metrics.CountRequest(context, "none", time.GetElapsedTime(started));
    }
}

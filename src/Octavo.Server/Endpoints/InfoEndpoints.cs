using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Octavo.Server.Dashboard;
using Octavo.Server.Http;
using Octavo.Server.Protocols;
using Octavo.Server.Protocols.OpenAI;

namespace Octavo.Server.Endpoints;

/// <summary>The endpoints that tell of the server and read no body.</summary>
internal sealed class InfoEndpoints(
    AsyncEngine engine,
    RequestGate gate,
    OpenAIProtocol protocol,
    IReadOnlyList<string> names,
    string? root,
    string version)
{
    private readonly ModelCards _cards = new(engine.Model, names, root);

    public Task VersionAsync(HttpContext context) => JsonOutput.WriteAsync(context, json =>
    {
        json.WriteStartObject();
        json.WriteString("version", version);
        json.WriteEndObject();
    });

    public async Task ShowPageAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        string host = request.Headers.Host is [{ Length: > 0 } sent] ? sent : "localhost";
        string address = $"{request.Scheme}://{host}{request.PathBase}";
        bool canChat = protocol.Chat.WhyNot is null;
        string page = HomePage.Write(engine.Model, names[0], version, address, engine.BatchingAdvice, canChat);
        context.Response.ContentType = "text/html; charset=utf-8";
        context.Response.Headers.ContentSecurityPolicy = HomePage.SecurityPolicy;
        context.Response.Headers.CacheControl = "no-cache";
        await context.Response.BodyWriter.WriteAsync(Encoding.UTF8.GetBytes(page), context.RequestAborted);
    }

    public Task HealthAsync(HttpContext context)
    {
        if (engine.Failure is { } failure)
        {
            throw new ApiException(
                HttpStatusCode.ServiceUnavailable,
                ApiException.ServerError,
                null,
                "engine_failed",
                "the engine has failed: " + failure.Message);
        }

        if (gate.IsClosed)
        {
            throw ApiException.ShuttingDown();
        }

        // As vLLM's, empty where all is well.
        return engine.BatchingAdvice is not { } advice ? Task.CompletedTask : JsonOutput.WriteAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteString("status", "degraded");
            json.WriteString("detail", advice);
            json.WriteEndObject();
        });
    }

    public Task ListModelsAsync(HttpContext context) => JsonOutput.WriteAsync(context, _cards.WriteList);

    public Task ShowModelAsync(HttpContext context)
    {
        string name = context.GetRouteValue("id") as string ?? string.Empty;
        protocol.CheckModel(name);
        return JsonOutput.WriteAsync(context, json => _cards.Write(json, name));
    }
}

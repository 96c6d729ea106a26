using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Octavo.Server.Http;
using Octavo.Server.Metrics;
using Octavo.Server.Protocols.OpenAI;
using Octavo.Text;

namespace Octavo.Server.Endpoints;

/// <summary>The endpoints over one engine: which path leads where.</summary>
internal sealed partial class Api : IDisposable
{
    private static readonly string Version = typeof(Api).Assembly
        .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0";

    private readonly Envelope _envelope;
    private readonly OpenAIProtocol _openAI;
    private readonly GenerationEndpoint _generation;
    private readonly TokenizationEndpoints _tokenization;
    private readonly InfoEndpoints _info;

    public Api(AsyncEngine engine, ServerOptions options, ILoggerFactory? loggers)
    {
        IReadOnlyList<string> names = options.ServedModelNames is { Count: > 0 } given ? given : [engine.Model.Name];
        ILogger log = (options.LoggerFactory ?? loggers ?? NullLoggerFactory.Instance).CreateLogger("Octavo.Server");
        var fields = new FieldLog(log);
        foreach (string note in engine.Model.Notes)
        {
            LogNote(log, note);
        }

        Metrics = new ServerMetrics(engine);
        _openAI = new OpenAIProtocol(engine, names, Version);
        if (_openAI.Chat.WhyNot is ChatTemplateException unsupported)
        {
            LogChatOff(log, unsupported.Message);
        }

        _envelope = new Envelope(options, Metrics, log);
        _generation = new GenerationEndpoint(engine, Gate, options, _envelope, fields, log);
        _tokenization = new TokenizationEndpoints(_openAI, new Tokenization(engine, _openAI.Chat), fields);
        _info = new InfoEndpoints(engine, Gate, _openAI, names, options.ModelRoot, Version);
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
        MapPost(group, "/tokenize", _tokenization.TokenizeAsync);
        MapPost(group, "/detokenize", _tokenization.DetokenizeAsync);
        MapGet(group, "/health", _info.HealthAsync);
        MapGet(group, "/ping", _info.HealthAsync);
        MapPost(group, "/ping", _info.HealthAsync);
        MapGet(group, "/version", _info.VersionAsync);
        MapGet(group, "/metrics", Metrics.WriteAsync);
        return group;
    }

    public void Dispose()
    {
        Metrics.Dispose();
        Gate.Dispose();
    }

    /// <summary>Maps the page at the root; an application that has its own does without.</summary>
    public void MapPage(IEndpointRouteBuilder routes) =>
        MapGet(routes.MapGroup(string.Empty), "/", _info.ShowPageAsync);

    private void MapOpenAI(RouteGroupBuilder group, string prefix)
    {
        MapPost(group, prefix + "/completions", context => _generation.AnswerAsync(context, _openAI.ReadCompletion));
        MapPost(group, prefix + "/chat/completions", context => _generation.AnswerAsync(context, _openAI.ReadChat));
        MapGet(group, prefix + "/models", _info.ListModelsAsync);
        MapGet(group, prefix + "/models/{**id}", _info.ShowModelAsync);
    }

    // HEAD gets what GET would, without the body, which Kestrel leaves out.
    private void MapGet(RouteGroupBuilder group, string pattern, Func<HttpContext, Task> handler) =>
        Map(group, [HttpMethods.Get, HttpMethods.Head], pattern, handler);

    private void MapPost(RouteGroupBuilder group, string pattern, Func<HttpContext, Task> handler) =>
        Map(group, [HttpMethods.Post], pattern, handler);

    private void Map(RouteGroupBuilder group, string[] methods, string pattern, Func<HttpContext, Task> handler) =>
        group.MapMethods(
            pattern, methods, (RequestDelegate)(context => _envelope.HandleAsync(context, pattern, handler)));

    [LoggerMessage(Level = LogLevel.Warning, Message = "model: {Note}")]
    private static partial void LogNote(ILogger logger, string note);

    [LoggerMessage(Level = LogLevel.Warning, Message = "chat: off, {Reason}")]
    private static partial void LogChatOff(ILogger logger, string reason);
}

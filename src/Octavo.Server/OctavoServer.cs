using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Octavo.Server.Endpoints;
using Octavo.Server.Http;

namespace Octavo.Server;

/// <summary>
/// An HTTP server over an engine, with OpenAI's endpoints and vLLM's beside them. It does not own the engine.
/// </summary>
public sealed class OctavoServer : IAsyncDisposable
{
    // How long each stage of an abort may take: answers end, connections are cut, Kestrel lets go.
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(1);

    private readonly WebApplication _app;
    private readonly Api _api;
    private readonly ServerOptions _options;
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private Task? _stopping;

    private OctavoServer(WebApplication app, Api api, ServerOptions options) =>
        (_app, _api, _options) = (app, api, options);

    /// <summary>Where it listens, such as <c>http://127.0.0.1:8000</c>.</summary>
    public string Url { get; private set; } = string.Empty;

    /// <summary>Starts a server; the task ends when it listens.</summary>
    /// <param name="engine">Answers the requests.</param>
    /// <param name="options">Where it listens and what it calls itself.</param>
    /// <param name="cancellationToken">Calls the start off.</param>
    /// <exception cref="AddressInUseException">Somebody else listens there.</exception>
    /// <exception cref="IOException">The address is none of this machine's, or may not be used.</exception>
    public static async Task<OctavoServer> StartAsync(
        AsyncEngine engine, ServerOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(options);
        IPEndPoint endpoint = ListenAddress.Resolve(options);
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Listen(endpoint);
        });
        builder.Services.AddRoutingCore();
        if (options.LoggerFactory is { } loggers)
        {
            builder.Services.AddSingleton(loggers);
        }

        WebApplication app = builder.Build();
        var api = new Api(engine, options, options.LoggerFactory);
        var server = new OctavoServer(app, api, options);
        var door = new FrontDoor(new OriginGuard(options, endpoint.Address), api.Metrics, options.TimeProvider);
        app.Use(door.GuardAsync);
        app.Use(door.AnswerUnmatchedAsync);
        api.Map(app);
        api.MapPage(app);
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch (Exception e)
        {
            await app.DisposeAsync();
            api.Dispose();
            throw ListenAddress.Explain(e, options) ?? e;
        }

        string bound = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses
            .First();
        server.Url = ListenAddress.Reachable(bound);
        return server;
    }

    /// <summary>
    /// Finds out whether a server could listen, so that this is known before a model is loaded. Nobody holds the
    /// address afterwards: <see cref="StartAsync"/> may still find it taken.
    /// </summary>
    /// <param name="options">Where it would listen.</param>
    /// <exception cref="AddressInUseException">Somebody else listens there.</exception>
    /// <exception cref="IOException">The address is none of this machine's, or may not be used.</exception>
    public static void CheckAddress(ServerOptions options) => ListenAddress.Check(options);

    /// <summary>Waits until the server has stopped; when the token is cancelled, stops it.</summary>
    public async Task WaitForShutdownAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            await _stopped.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await StopAsync();
        }
    }

    /// <summary>
    /// Refuses new requests with 503, lets those in flight finish for <see cref="ServerOptions.ShutdownTimeout"/>,
    /// aborts the rest, and stops listening.
    /// </summary>
    public Task StopAsync() => StopAsync(_options.ShutdownTimeout);

    /// <summary>
    /// Stops at once, where <see cref="StopAsync()"/> was not called before: requests in flight are aborted.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.Zero);
        await _app.DisposeAsync();
        _api.Dispose();
    }

    private Task StopAsync(TimeSpan timeout)
    {
        lock (_lock)
        {
            return _stopping ??= DrainAndStopAsync(timeout);
        }
    }

    private async Task DrainAndStopAsync(TimeSpan timeout)
    {
        Task empty = _api.Gate.CloseAsync();
        if (!await EndsWithinAsync(empty, timeout))
        {
            await _api.Gate.AbortAsync();
            if (!await EndsWithinAsync(empty, LastWords))
            {
                // Whoever is still inside waits for a client that neither sends nor reads.
                await _api.Gate.CutAsync();
                await EndsWithinAsync(empty, LastWords);
            }
        }

        // Kestrel drops the connections that are not done by then: half a request's head, say.
        using var limit = new CancellationTokenSource(LastWords);
        await _app.StopAsync(limit.Token);
        _stopped.TrySetResult();
    }

    private static async Task<bool> EndsWithinAsync(Task task, TimeSpan limit)
    {
        await task.WaitAsync(limit).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return task.IsCompleted;
    }
}

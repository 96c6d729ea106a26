using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Octavo.Server.Http;

namespace Octavo.Server;

/// <summary>
/// An HTTP server over an engine, with OpenAI's endpoints and vLLM's beside them. It does not own the engine.
/// </summary>
public sealed class OctavoServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Api _api;
    private readonly ServerOptions _options;
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private Task? _stopping;

    private OctavoServer(WebApplication app, Api api, ServerOptions options) => (_app, _api, _options) = (app, api, options);

    /// <summary>Where it listens, such as <c>http://127.0.0.1:8000</c>.</summary>
    public string Url { get; private set; } = string.Empty;

    /// <summary>Starts a server; the task ends when it listens.</summary>
    /// <param name="engine">Answers the requests.</param>
    /// <param name="options">Where it listens and what it calls itself.</param>
    /// <param name="cancellation">Calls the start off.</param>
    /// <exception cref="AddressInUseException">Somebody else listens there.</exception>
    /// <exception cref="IOException">The address is none of this machine's, or may not be used.</exception>
    public static async Task<OctavoServer> StartAsync(AsyncEngine engine, ServerOptions options, CancellationToken cancellation = default)
    {
        IPAddress address = await ResolveAsync(options.Host, cancellation);
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Listen(address, options.Port);
        });
        builder.Services.AddRoutingCore();
        if (options.LoggerFactory is { } loggers)
        {
            builder.Services.AddSingleton(loggers);
        }

        WebApplication app = builder.Build();
        var api = new Api(engine, options, options.LoggerFactory);
        var server = new OctavoServer(app, api, options);
        app.Use(server.AnswerUnmatchedAsync);
        api.Map(app);
        try
        {
            await app.StartAsync(cancellation);
        }
        catch (Exception e)
        {
            await app.DisposeAsync();
            api.Dispose();
            throw Explain(e, options) ?? e;
        }

        string bound = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        server.Url = bound;
        return server;
    }

    /// <summary>Waits until the server has stopped; when the token is cancelled, stops it.</summary>
    public async Task WaitForShutdownAsync(CancellationToken cancellation = default)
    {
        try
        {
            await _stopped.Task.WaitAsync(cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            await StopAsync();
        }
    }

    /// <summary>
    /// Refuses new requests with 503, lets those in flight finish for <see cref="ServerOptions.ShutdownTimeout"/>, aborts
    /// the rest, and stops listening.
    /// </summary>
    public Task StopAsync() => StopAsync(_options.ShutdownTimeout);

    /// <summary>Stops at once, where <see cref="StopAsync()"/> was not called before: requests in flight are aborted.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.Zero);
        await _app.DisposeAsync();
        _api.Dispose();
    }

    private static async Task<IPAddress> ResolveAsync(string host, CancellationToken cancellation)
    {
        if (host is "*" or "+" or "")
        {
            return IPAddress.Any;
        }

        if (string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase))
        {
            return IPAddress.Loopback;
        }

        if (IPAddress.TryParse(host, out IPAddress? address))
        {
            return address;
        }

        try
        {
            return (await Dns.GetHostAddressesAsync(host, cancellation))[0];
        }
        catch (SocketException e)
        {
            throw new IOException($"cannot listen on host \"{host}\": {e.Message}", e);
        }
    }

    private static IOException? Explain(Exception failure, ServerOptions options)
    {
        for (Exception? e = failure; e is not null; e = e.InnerException)
        {
            if (e is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse } or Microsoft.AspNetCore.Connections.AddressInUseException)
            {
                return new AddressInUseException(options.Host, options.Port, failure);
            }

            if (e is SocketException socket)
            {
                return new IOException($"cannot listen on {options.Host}:{options.Port}: {socket.Message}", failure);
            }
        }

        return null;
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
        try
        {
            await empty.WaitAsync(timeout);
        }
        catch (TimeoutException)
        {
            await _api.Gate.AbortAsync();
            await empty;
        }

        await _app.StopAsync();
        _stopped.TrySetResult();
    }

    // Wrong paths and methods are answered in the same shape as everything else.
    private async Task AnswerUnmatchedAsync(HttpContext context, RequestDelegate next)
    {
        await next(context);
        if (context.Response.HasStarted || context.GetEndpoint() is RouteEndpoint)
        {
            return;
        }

        string path = context.Request.Path;
        ApiException? error = context.Response.StatusCode switch
        {
            StatusCodes.Status404NotFound => ApiException.NotFound(null, "not_found", $"there is nothing at {path}"),
            StatusCodes.Status405MethodNotAllowed => new ApiException(
                StatusCodes.Status405MethodNotAllowed, ApiException.InvalidRequest, null, "method_not_allowed",
                $"{context.Request.Method} is not allowed at {path}; allowed: {context.Response.Headers.Allow}"),
            _ => null,
        };
        if (error is not null)
        {
            await JsonOutput.WriteErrorAsync(context, error);
            _api.Metrics.CountRequest(context, "none");
        }
    }
}

/// <summary>Somebody else listens where a server was to.</summary>
public sealed class AddressInUseException(string host, int port, Exception? inner)
    : IOException($"{host}:{port} is in use already: stop what listens there, or choose another port", inner);

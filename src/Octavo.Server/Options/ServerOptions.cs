using Microsoft.Extensions.Logging;

namespace Octavo.Server;

/// <summary>Where a server listens and what it calls itself.</summary>
public sealed record ServerOptions
{
    /// <summary>
    /// The address to listen on: an IP address, <c>localhost</c>, a host name, or <c>*</c> for all of them.
    /// </summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>The port; 0 takes any that is free.</summary>
    public int Port { get; init; } = 8000;

    /// <summary>
    /// The names that requests may call the model by; the first is the one that answers carry. Empty takes the engine's
    /// name.
    /// </summary>
    public IReadOnlyList<string> ServedModelNames { get; init; } = [];

    /// <summary>
    /// What <c>/v1/models</c> shows as the model's root: what the server was told to serve, as it was typed. Null shows
    /// the model's name, so that no path leaves the machine that nobody named.
    /// </summary>
    public string? ModelRoot { get; init; }

    /// <summary>
    /// Names that requests may call this server by (their <c>Host</c>), beside those of this machine; <c>*</c> allows
    /// any, and <c>*.example.com</c> all below it. On a loopback address others are refused, so that no web page
    /// reaches the server by a name of its own; on other addresses they are where this holds any.
    /// </summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>
    /// Origins whose web pages may call this server, such as <c>https://chat.example.com</c>, beside its own; <c>*</c>
    /// allows any. On a loopback address pages of this machine may, and others are refused; on other addresses they are
    /// where this holds any.
    /// </summary>
    public IReadOnlyList<string> CorsOrigins { get; init; } = [];

    /// <summary>
    /// How long a stream may be silent before it sends a comment, so that proxies keep it; zero sends none.
    /// </summary>
    public TimeSpan SseKeepAliveInterval { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>The clock of keep-alives and durations.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>
    /// How long requests in flight may take to end when the server stops; after that they are aborted.
    /// </summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The most bytes a request's body may have; more is answered with 413.</summary>
    public int MaxRequestBodyBytes { get; init; } = 32 << 20;

    /// <summary>Where the server logs; null logs nothing.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }
}

using Microsoft.Extensions.Logging;

namespace Octavo.Server;

/// <summary>Where a server listens and what it calls itself.</summary>
public sealed record ServerOptions
{
    /// <summary>The address to listen on: an IP address, <c>localhost</c>, a host name, or <c>*</c> for all of them.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>The port; 0 takes any that is free.</summary>
    public int Port { get; init; } = 8000;

    /// <summary>The names that requests may call the model by; the first is the one that answers carry. Empty takes the engine's name.</summary>
    public IReadOnlyList<string> ServedModelNames { get; init; } = [];

    /// <summary>How long requests in flight may take to end when the server stops; after that they are aborted.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The most bytes a request's body may have; more is answered with 413.</summary>
    public int MaxRequestBodyBytes { get; init; } = 32 << 20;

    /// <summary>Where the server logs; null logs nothing.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }
}

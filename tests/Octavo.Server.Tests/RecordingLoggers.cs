using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Octavo.Server.Tests;

/// <summary>Keeps what a server and Kestrel log.</summary>
internal sealed class RecordingLoggers : ILoggerFactory
{
    private readonly ConcurrentQueue<(LogLevel Level, string Text)> _entries = new();

    /// <summary>Warnings and worse, in order.</summary>
    public string[] Troubles => [.. _entries.Where(e => e.Level >= LogLevel.Warning).Select(e => e.Text)];

    /// <summary>Everything that an operator sees by default, in order.</summary>
    public string[] Seen => [.. _entries.Where(e => e.Level >= LogLevel.Information).Select(e => e.Text)];

    public ILogger CreateLogger(string categoryName) => new Recorder(categoryName, _entries);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose()
    {
    }

    private sealed class Recorder(string category, ConcurrentQueue<(LogLevel Level, string Text)> entries) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState,
            Exception?,
            string> formatter) =>
            entries.Enqueue((logLevel, $"{category}: {formatter(state, exception)} {exception}"));
    }
}

using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Octavo.Server.Protocols;

namespace Octavo.Server.Endpoints;

/// <summary>
/// Tells the log of fields that did nothing: each name once, where everyone sees it, since a client that sends one
/// sends it with every request.
/// </summary>
internal sealed partial class FieldLog(ILogger log)
{
    private const int MostNames = 1000;         // names come from clients, and memory is finite
    private const int LongestName = 100;

    private readonly ConcurrentDictionary<string, bool> _seen = new(StringComparer.Ordinal);

    public void Write(FieldNotes notes)
    {
        foreach (string field in notes.Unknown)
        {
            LogUnknown(log, LevelFor(field), Printable(field));
        }

        foreach (string field in notes.WithoutEffect)
        {
            LogWithoutEffect(log, LevelFor(field), Printable(field));
        }
    }

    private LogLevel LevelFor(string field) =>
        _seen.Count < MostNames && _seen.TryAdd(field, true) ? LogLevel.Information : LogLevel.Debug;

    // A line of the log is the server's, whatever a client calls its fields.
    private static string Printable(string field) =>
        string.Concat(field.Take(LongestName).Select(c => char.IsControl(c) ? '?' : c));

    [LoggerMessage(Message = "ignored a field that is unknown here: {Field}")]
    private static partial void LogUnknown(ILogger logger, LogLevel level, string field);

    [LoggerMessage(Message = "accepted a field that has no effect here: {Field}")]
    private static partial void LogWithoutEffect(ILogger logger, LogLevel level, string field);
}

namespace Octavo.Cli.Terminal;

/// <summary>A command line that asks for something impossible; the message says what to change.</summary>
internal sealed class UsageException(string message) : Exception(message);

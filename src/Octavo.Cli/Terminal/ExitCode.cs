namespace Octavo.Cli.Terminal;

/// <summary>What the process's exit codes mean.</summary>
internal static class ExitCode
{
    /// <summary>All went well.</summary>
    public const int Success = 0;

    /// <summary>Something failed at run time: a port is taken, the engine broke.</summary>
    public const int Failure = 1;

    /// <summary>
    /// What was asked for cannot be done: an unknown option, a bad value, no such or an unsupported model.
    /// </summary>
    public const int Usage = 2;

    /// <summary>Ctrl-C: 128 + SIGINT, as shells have it.</summary>
    public const int Interrupted = 130;

    /// <summary>A service manager's signal before the server was ready: 128 + SIGTERM.</summary>
    public const int Terminated = 143;
}

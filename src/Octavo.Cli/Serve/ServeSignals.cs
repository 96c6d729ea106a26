using System.Runtime.InteropServices;
using Octavo.Cli.Terminal;

namespace Octavo.Cli.Serve;

/// <summary>
/// The signals that end a server, from a keyboard (SIGINT) or a service manager (SIGTERM): the first drains, the second
/// aborts, a third ends the process where it stands.
/// </summary>
internal sealed class ServeSignals : IDisposable
{
    private readonly CancellationTokenSource _drain = new();
    private readonly CancellationTokenSource _abort = new();
    private readonly PosixSignalRegistration[] _registrations;
    private int _received;
    private volatile bool _terminated;

    public ServeSignals()
    {
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Receive),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Receive),
        ];
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Drain => _drain.Token;

    /// <summary>Cancelled by the second signal.</summary>
    public CancellationToken Abort => _abort.Token;

    /// <summary>What the process exits with where the first signal came before the server was ready.</summary>
    public int ExitCodeOfStop => _terminated ? ExitCode.Terminated : ExitCode.Interrupted;

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }

        _drain.Dispose();
        _abort.Dispose();
    }

    private void Receive(PosixSignalContext signal)
    {
        int count = Interlocked.Increment(ref _received);
        signal.Cancel = count <= 2;
        if (count == 1)
        {
            _terminated = signal.Signal == PosixSignal.SIGTERM;
        }

        (count switch { 1 => _drain, 2 => _abort, _ => null })?.Cancel();
    }
}

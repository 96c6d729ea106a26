using System.Runtime.InteropServices;

namespace Octavo.Cli;

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
        (count switch { 1 => _drain, 2 => _abort, _ => null })?.Cancel();
    }
}

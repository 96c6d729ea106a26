using Octavo.Server.Protocols;

namespace Octavo.Server.Http;

/// <summary>Counts the requests in flight, so that a server can close its door and let those inside finish.</summary>
internal sealed class RequestGate : IDisposable
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _abort = new();
    private readonly CancellationTokenSource _cut = new();
    private readonly TaskCompletionSource _empty = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _inside;
    private bool _closed;

    public RequestGate() => (Aborted, Cut) = (_abort.Token, _cut.Token);

    /// <summary>Cancelled when those inside must end now; they may still tell their clients.</summary>
    public CancellationToken Aborted { get; }

    /// <summary>Cancelled when those that have not left by themselves lose their connections.</summary>
    public CancellationToken Cut { get; }

    public bool IsClosed
    {
        get
        {
            lock (_lock)
            {
                return _closed;
            }
        }
    }

    /// <summary>Counts a request in, until <see cref="Leave"/>.</summary>
    /// <exception cref="ApiException">The gate is closed.</exception>
    public void Enter()
    {
        lock (_lock)
        {
            if (_closed)
            {
                throw ApiException.ShuttingDown();
            }

            _inside++;
        }
    }

    public void Leave()
    {
        lock (_lock)
        {
            _inside--;
            CompleteWhenEmpty();
        }
    }

    /// <summary>Lets nobody in any more; the task ends when the last one has left.</summary>
    public Task CloseAsync()
    {
        lock (_lock)
        {
            _closed = true;
            CompleteWhenEmpty();
            return _empty.Task;
        }
    }

    public Task AbortAsync() => _abort.CancelAsync();

    public Task CutAsync() => _cut.CancelAsync();

    public void Dispose()
    {
        _abort.Dispose();
        _cut.Dispose();
    }

    private void CompleteWhenEmpty()
    {
        if (_closed && _inside == 0)
        {
            _empty.TrySetResult();
        }
    }
}

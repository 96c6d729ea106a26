using System.Runtime.ExceptionServices;

namespace Octavo.Cpu.Threading;

/// <summary>Work that every member of a team runs at once, each with its own number.</summary>
internal interface ITeamWork
{
    void Run(int worker);
}

/// <summary>
/// A fixed team of threads: the caller is worker 0, the others wait for work. On a machine with several memory nodes
/// every member has a thread of its own that stays at its node, and the caller only waits. Members meet at barriers
/// that spin briefly and then yield; between two pieces of work they spin briefly and then sleep, so an idle team uses
/// no processor time.
/// </summary>
internal sealed class ThreadTeam : IDisposable
{
    // Tens of microseconds: longer than the gap between two steps that sample a few rows. Behind a longer one the team
    // is woken, which costs about as much again.
    private const int SpinsBeforeSleep = 400;
    private const int SpinsBeforeYield = 200;

    private readonly int _firstOwn;          // the first member with a thread of its own
    private readonly Thread[] _threads;      // from that member on
    private readonly SemaphoreSlim[] _wake;
    private readonly int[] _asleep;
    private ITeamWork? _work;
    private int _generation;                 // a change starts the work
    private readonly Barrier _middle;        // between two phases of the work; a failure opens it
    private readonly Barrier _end;           // behind the work; everybody comes, failed or not
    private volatile ExceptionDispatchInfo? _failure;
    private volatile bool _disposed;

    public ThreadTeam(int count, NumaNodes? nodes = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        Count = count;
        Nodes = nodes ?? NumaNodes.OfMachine;
        _firstOwn = Nodes.Several ? 0 : 1;
        (_middle, _end) = (new Barrier(count), new Barrier(count + (1 - _firstOwn)));
        _threads = new Thread[count - _firstOwn];
        _wake = new SemaphoreSlim[count];
        _asleep = new int[count];
        for (int worker = _firstOwn; worker < count; worker++)
        {
            int number = worker;
            _wake[worker] = new SemaphoreSlim(0);
            _threads[worker - _firstOwn] =
                new Thread(() => Loop(number)) { IsBackground = true, Name = $"octavo-{number}" };
            _threads[worker - _firstOwn].Start();
        }
    }

    /// <summary>The memory nodes that the members are at.</summary>
    public NumaNodes Nodes { get; }

    /// <summary>Members.</summary>
    public int Count { get; }

    /// <summary>Runs the work on every member and returns when all are done; rethrows the first failure.</summary>
    public void Run(ITeamWork work)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _work = work;
        Start();
        if (_firstOwn > 0)
        {
            RunGuarded(work, 0);
        }

        _end.Wait(this, opensOnFailure: false);
        if (_failure is { } failure)
        {
            _failure = null;
            _middle.Reset();
            failure.Throw();
        }
    }

    /// <summary>
    /// Waits until every member is here. A member that failed is not waited for: the work is over for all.
    /// </summary>
    public void Wait()
    {
        if (!_middle.Wait(this, opensOnFailure: true))
        {
            throw new TeamFailedException();
        }
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        Start();
        foreach (Thread thread in _threads)
        {
            thread.Join();
        }

        foreach (SemaphoreSlim semaphore in _wake.Skip(_firstOwn))
        {
            semaphore.Dispose();
        }
    }

    private void Start()
    {
        Interlocked.Increment(ref _generation);
        for (int worker = _firstOwn; worker < Count; worker++)
        {
            if (Interlocked.Exchange(ref _asleep[worker], 0) == 1)
            {
                _wake[worker].Release();
            }
        }
    }

    private void Loop(int worker)
    {
        if (Nodes.Several)
        {
            Nodes.Pin(worker, Count);
        }

        int seen = 0;
        while (true)
        {
            WaitForWork(worker, seen);
            seen = Volatile.Read(ref _generation);
            if (_disposed)
            {
                return;
            }

            RunGuarded(_work!, worker);
            _end.Wait(this, opensOnFailure: false);
        }
    }

    private void WaitForWork(int worker, int seen)
    {
        for (int i = 0; i < SpinsBeforeSleep; i++)
        {
            if (Volatile.Read(ref _generation) != seen)
            {
                return;
            }

            Thread.SpinWait(1);
        }

        // Whoever resets the flag decides: the starter will release the semaphore, or this worker need not wait for it.
        Interlocked.Exchange(ref _asleep[worker], 1);
        if (Volatile.Read(ref _generation) == seen || Interlocked.Exchange(ref _asleep[worker], 0) == 0)
        {
            _wake[worker].Wait();
        }
    }

    private void RunGuarded(ITeamWork work, int worker)
    {
        try
        {
            work.Run(worker);
        }
        catch (TeamFailedException)
        {
            // Another member failed and has left its reason; this one stopped at the barrier for it.
        }
        catch (Exception e)
        {
            _failure ??= ExceptionDispatchInfo.Capture(e);
        }
    }

    private sealed class Barrier(int count)
    {
        private int _arrived;
        private int _generation;             // a change lets them go

        public void Reset() => Volatile.Write(ref _arrived, 0);

        /// <summary>Returns when all are here; false where a failure opened the barrier before.</summary>
        public bool Wait(ThreadTeam team, bool opensOnFailure)
        {
            int generation = Volatile.Read(ref _generation);
            if (Interlocked.Increment(ref _arrived) == count)
            {
                Volatile.Write(ref _arrived, 0);
                Volatile.Write(ref _generation, generation + 1);
                return true;
            }

            int spins = 0;
            while (Volatile.Read(ref _generation) == generation)
            {
                if (opensOnFailure && team._failure is not null)
                {
                    return false;
                }

                if (spins++ < SpinsBeforeYield)
                {
                    Thread.SpinWait(1);
                }
                else
                {
                    Thread.Yield();
                }
            }

            return true;
        }
    }

    private sealed class TeamFailedException : Exception;
}

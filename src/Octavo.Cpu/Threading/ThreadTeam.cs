using System.Runtime.ExceptionServices;

namespace Octavo.Cpu.Threading;

/// <summary>
/// Work for a team: a way from phase to phase (<see cref="TeamMember.Share"/>, <see cref="TeamMember.Divide"/>), which
/// every member takes in the same order. What a phase's items give does not depend on who runs them.
/// </summary>
internal interface ITeamWork
{
    void Run(TeamMember member);
}

/// <summary>
/// Threads that share work without fixed shares: the caller is member 0, the others wait for work. Whoever is there
/// does it; a member that the system has put aside is neither waited for nor missed, but where it writes or works by
/// itself (<see cref="TeamMember.Divide"/>). Members that wait spin briefly and then sleep, so an idle team uses no
/// processor time. On a machine with several memory nodes every member has a thread of its own that stays at its node,
/// and the caller only waits.
/// </summary>
/// <remarks>Pieces of work of several callers are run one after another, in the order they came.</remarks>
internal sealed class ThreadTeam : IDisposable
{
    // Tens of microseconds: longer than the gap between two steps that sample a few rows. Behind a longer one the team
    // is woken, which costs about as much again.
    private const int SpinsBeforeSleep = 400;
    private const int PhaseBits = 14;
    private const long PhaseMask = (1 << PhaseBits) - 1;

    private static readonly Lock Making = new();
    private static readonly Dictionary<int, (ThreadTeam Team, int Leases)> Leased = [];

    private readonly int _firstOwn;                  // the first member with a thread of its own
    private readonly TeamMember[] _members;
    private readonly Thread[] _threads;              // of the members from that one on
    private readonly PhaseBoard _board;
    private readonly WaitingRoom _idle = new();      // of members without work
    private readonly WaitingRoom _turns = new();     // of callers behind others
    private readonly WaitingRoom _callers = new();   // of the one whose turn it is
    private readonly long[] _inside;                 // by member: the step that it may be running
    private ITeamWork? _work;
    private long _step;                              // a change starts the work
    private long _open;                              // the step that members may still enter
    private long _ended;                             // the last step whose way somebody has gone to its end
    private long _tickets;
    private long _turn;
    private ExceptionDispatchInfo? _failure;
    private volatile bool _disposed;

    public ThreadTeam(int count, NumaNodes? nodes = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        Count = count;
        Nodes = nodes ?? NumaNodes.OfMachine;
        _firstOwn = Nodes.Several ? 0 : 1;
        _board = new PhaseBoard(count);
        _inside = new long[count];
        _members = [.. Enumerable.Range(0, count).Select(number => new TeamMember(this, _board, number))];
        _threads = [.. _members.Skip(_firstOwn).Select(member =>
            new Thread(() => Loop(member)) { IsBackground = true, Name = $"octavo-{member.Number}" })];
        foreach (Thread thread in _threads)
        {
            thread.Start();
        }
    }

    /// <summary>The memory nodes that the members are at.</summary>
    public NumaNodes Nodes { get; }

    /// <summary>Members.</summary>
    public int Count { get; }

    /// <summary>Where members sleep that wait for others.</summary>
    internal WaitingRoom Room { get; } = new();

    /// <summary>Whether a member failed, so that the work is over for all.</summary>
    internal bool HasFailed => Volatile.Read(ref _failure) is not null;

    /// <summary>
    /// The team of so many members that all engines of this process share, until the lease is given back.
    /// </summary>
    public static TeamLease Lease(int count)
    {
        lock (Making)
        {
            (ThreadTeam team, int leases) = Leased.TryGetValue(count, out (ThreadTeam Team, int Leases) known)
                ? known
                : (new ThreadTeam(count), 0);
            Leased[count] = (team, leases + 1);
            return new TeamLease(team);
        }
    }

    /// <summary>Runs work and returns when all of it is done; rethrows the first failure.</summary>
    /// <param name="work">What to do.</param>
    /// <param name="leavesStragglers">
    /// Whether members may still be computing, for nobody, when it returns: what they read must stay where it is until
    /// <see cref="Settle"/>.
    /// </param>
    public void Run(ITeamWork work, bool leavesStragglers = false)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        TakeTurn();
        try
        {
            long step = Start(work);
            if (_firstOwn > 0)
            {
                RunGuarded(_members[0], step);
            }

            SleepUntil(static (team, step) => Volatile.Read(ref team._ended) >= step || team.HasFailed, step);

            // Who closes the step decides how it ends: this caller, or a member that failed. All of its phases are over
            // before anything can change that a late member reads, whether it reads that there are more of them or not.
            bool hasFailed = Interlocked.CompareExchange(ref _open, 0, step) != step;
            _board.Begin((step + 1) << PhaseBits);
            if (!leavesStragglers || hasFailed)
            {
                WaitUntilAllAreOut();
            }

            if (hasFailed)
            {
                SleepUntil(static (team, _) => team.HasFailed, step);
                ExceptionDispatchInfo failure = _failure!;
                _failure = null;
                _board.Clear();
                failure.Throw();
            }
        }
        finally
        {
            EndTurn();
        }
    }

    /// <summary>Waits until no member computes anything any more.</summary>
    public void Settle()
    {
        TakeTurn();
        WaitUntilAllAreOut();
        EndTurn();
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        Interlocked.Increment(ref _step);
        _idle.WakeAll();
        foreach (Thread thread in _threads)
        {
            thread.Join();
        }

        foreach (TeamMember member in _members)
        {
            member.Dispose();
        }

        Room.Dispose();
        _callers.Dispose();
        _idle.Dispose();
        _turns.Dispose();
    }

    /// <summary>
    /// Whether some member has finished the phase before; the first of a piece of work begins with the caller, which
    /// may not be a member.
    /// </summary>
    internal bool HasLeader(long phase) => _firstOwn > 0 || (phase & PhaseMask) > 1;

    /// <summary>Refuses what has more phases than numbers are kept for.</summary>
    internal static void CheckPhase(long phase)
    {
        if ((phase & PhaseMask) == 0)
        {
            throw new InvalidOperationException($"a piece of work has more than {PhaseMask} phases");
        }
    }

    /// <summary>Leaves the work where another member failed.</summary>
    internal void ThrowIfFailed()
    {
        if (HasFailed)
        {
            throw new TeamFailedException();
        }
    }

    private static void GiveBack(ThreadTeam team)
    {
        lock (Making)
        {
            int leases = Leased[team.Count].Leases - 1;
            if (leases > 0)
            {
                Leased[team.Count] = (team, leases);
                return;
            }

            Leased.Remove(team.Count);
        }

        team.Dispose();
    }

    private long Start(ITeamWork work)
    {
        long step = _step + 1;
        _work = work;
        _board.Begin((step << PhaseBits) + 1);
        Interlocked.Exchange(ref _open, step);
        Interlocked.Exchange(ref _step, step);
        _idle.WakeAll();
        return step;
    }

    private void Loop(TeamMember member)
    {
        if (Nodes.Several)
        {
            Nodes.Pin(member.Number, Count);
        }

        long seen = 0;
        while (true)
        {
            WaitForWork(seen);
            seen = Volatile.Read(ref _step);
            if (_disposed)
            {
                return;
            }

            // Who finds the step open has said before that it is inside; who closes it looks for such members then.
            Interlocked.Exchange(ref _inside[member.Number], seen);
            if (Volatile.Read(ref _open) == seen)
            {
                RunGuarded(member, seen);
            }

            Interlocked.Exchange(ref _inside[member.Number], 0);
            _callers.WakeAll();
        }
    }

    private void WaitForWork(long seen)
    {
        for (int i = 0; i < SpinsBeforeSleep; i++)
        {
            if (Volatile.Read(ref _step) != seen)
            {
                return;
            }

            Thread.SpinWait(1);
        }

        while (Volatile.Read(ref _step) == seen)
        {
            int round = _idle.Enter();
            if (Volatile.Read(ref _step) == seen)
            {
                _idle.Sleep(round);
            }
        }
    }

    private void RunGuarded(TeamMember member, long step)
    {
        try
        {
            member.Begin(step << PhaseBits, leads: member.Number < _firstOwn);
            _work!.Run(member);
            RaiseEnded(step);
            Room.WakeAll();
            _callers.WakeAll();
        }
        catch (TeamFailedException)
        {
            // Another member failed and has left its reason; this one stopped for it.
        }
        catch (Exception e)
        {
            // Where the step is closed, another failure came first, or this member is late: what it read was of another
            // step, and its own has its result.
            if (Interlocked.CompareExchange(ref _open, 0, step) == step)
            {
                Interlocked.Exchange(ref _failure, ExceptionDispatchInfo.Capture(e));
                Room.WakeAll();
                _callers.WakeAll();
            }
        }
    }

    private void RaiseEnded(long step)
    {
        long seen = Volatile.Read(ref _ended);
        while (seen < step)
        {
            long found = Interlocked.CompareExchange(ref _ended, step, seen);
            if (found == seen)
            {
                return;
            }

            seen = found;
        }
    }

    private void WaitUntilAllAreOut()
    {
        foreach (TeamMember member in _members.AsSpan(_firstOwn))
        {
            SleepUntil(static (team, number) => Volatile.Read(ref team._inside[number]) == 0, member.Number);
        }
    }

    private void TakeTurn()
    {
        long ticket = Interlocked.Increment(ref _tickets) - 1;
        while (Volatile.Read(ref _turn) != ticket)
        {
            int round = _turns.Enter();
            if (Volatile.Read(ref _turn) != ticket)
            {
                _turns.Sleep(round);
            }
        }
    }

    private void EndTurn()
    {
        Interlocked.Increment(ref _turn);
        _turns.WakeAll();
    }

    // What the condition looks at is handed over, so that a step allocates nothing.
    private void SleepUntil(Func<ThreadTeam, long, bool> condition, long about)
    {
        for (int i = 0; i < SpinsBeforeSleep && !condition(this, about); i++)
        {
            Thread.SpinWait(1);
        }

        while (!condition(this, about))
        {
            int round = _callers.Enter();
            if (!condition(this, about))
            {
                _callers.Sleep(round);
            }
        }
    }

    private sealed class TeamFailedException : Exception;

    /// <summary>A share of a team.</summary>
    public sealed class TeamLease(ThreadTeam team) : IDisposable
    {
        private int _returned;

        public ThreadTeam Team => team;

        /// <summary>Gives it back; the last one ends its threads.</summary>
        public void Dispose()
        {
            if (Interlocked.Exchange(ref _returned, 1) == 0)
            {
                GiveBack(team);
            }
        }
    }
}

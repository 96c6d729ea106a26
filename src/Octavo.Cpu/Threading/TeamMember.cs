using System.Diagnostics;
using Octavo.Cpu.Memory;

namespace Octavo.Cpu.Threading;

/// <summary>
/// Items of a phase that two members may compute at once: each into memory of its own, and one of them writes.
/// </summary>
internal interface ISharedItems
{
    /// <summary>
    /// Computes an item into the member's own memory. When it is done, or while it runs, the phase may be over, and
    /// what it reads may change: where that matters (indices), it reads first and asks <see cref="TeamMember.IsLate"/>.
    /// </summary>
    void Compute(int item, TeamMember member);

    /// <summary>Writes what the member has just computed to where all see it.</summary>
    void Write(int item, TeamMember member);
}

/// <summary>Items of a phase that one member each takes from beginning to end.</summary>
internal interface IOwnItems
{
    void Run(int item, TeamMember member);
}

/// <summary>
/// One of a team on its way through a piece of work, phase by phase: it claims items, its own share first and then what
/// others have left; computes once more what a member holds that is not there; and waits, spinning at first and then
/// asleep, until all items are written. Who is late passes the phases that are over.
/// </summary>
internal sealed unsafe class TeamMember : IDisposable
{
    /// <summary>
    /// Bytes of <see cref="Scratch"/>: with the weights that a kernel goes through meanwhile, they fit into a
    /// first-level cache.
    /// </summary>
    public const int ScratchBytes = 8 << 10;

    // Longer than members of a phase usually wait for each other, much shorter than a turn of the scheduler.
    private static readonly long LeastPatience = Stopwatch.Frequency * 20 / 1_000_000;
    private static readonly long MostSpinning = Stopwatch.Frequency * 50 / 1_000_000;
    private static readonly TimeSpan MostSleep = TimeSpan.FromMilliseconds(1);

    private readonly ThreadTeam _team;
    private readonly PhaseBoard _board;
    private readonly NativeBuffer _scratch = new(ScratchBytes);
    private long _phase;
    private int _done;                       // items of the phase that it has written
    private bool _leads;                     // it was the one to go on to the present phase

    public TeamMember(ThreadTeam team, PhaseBoard board, int number) =>
        (_team, _board, Number) = (team, board, number);

    /// <summary>From 0; the same all the time.</summary>
    public int Number { get; }

    /// <summary>Members of the team.</summary>
    public int TeamCount => _team.Count;

    /// <summary>Memory of its own, for what it computes and has not written yet.</summary>
    public byte* Scratch => _scratch.Pointer;

    /// <summary>
    /// Whether the phase that it computes for is over, so that whatever it read since may be of another step.
    /// </summary>
    public bool IsLate
    {
        get
        {
            Volatile.ReadBarrier();
            return _board.Current != _phase;
        }
    }

    /// <summary>Goes through a phase: returns when all its items are written, whoever did that.</summary>
    /// <param name="units">Items that stand side by side; each member's share are neighbours.</param>
    /// <param name="rounds">
    /// How often the units are gone through; item <c>round · units + unit</c> is the unit's in that round.
    /// </param>
    /// <param name="items">What to do.</param>
    public void Share<TItems>(int units, int rounds, TItems items)
        where TItems : struct, ISharedItems => Pass(units, rounds, new Shared<TItems>(items));

    /// <summary>The same for items that no two members may touch.</summary>
    public void Divide<TItems>(int items, TItems work)
        where TItems : struct, IOwnItems => Pass(items, 1, new Owned<TItems>(work));

    public void Dispose() => _scratch.Dispose();

    /// <summary>Begins a piece of work, before its first phase.</summary>
    internal void Begin(long phase, bool leads) => (_phase, _leads) = (phase, leads);

    private void Pass<TItems>(int units, int rounds, TItems items)
        where TItems : struct, IItems
    {
        long total = (long)units * rounds;
        if (total == 0)
        {
            return;
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan(total, PhaseBoard.MostItems, nameof(units));
        long phase = ++_phase;
        ThreadTeam.CheckPhase(phase);
        if (TeamCount == 1)
        {
            for (int item = 0; item < total; item++)
            {
                items.Compute(item, this);
                items.Write(item, this);
            }

            _board.Complete(phase);
            return;
        }

        if (_board.Current > phase)
        {
            _leads = false;
            return;
        }

        if (total == 1 && _team.HasLeader(phase))
        {
            PassAlone(phase, items);
            return;
        }

        _team.Room.WakeAll();

        long began = total > TeamCount ? Stopwatch.GetTimestamp() : 0;
        _done = 0;
        for (int i = 0; i < TeamCount; i++)
        {
            // Its own share first, then what is left of the others'.
            int home = Number + i < TeamCount ? Number + i : Number + i - TeamCount;
            int first = (int)((long)units * home / TeamCount);
            int width = (int)((long)units * (home + 1) / TeamCount) - first;
            while (_board.TryClaim(phase, home, width * rounds, i == 0, out int index, out int end))
            {
                RunRange(new Phase(phase, units, rounds), (first * rounds) + index, (first * rounds) + end, items);
            }
        }

        WaitForOthers(new Phase(phase, units, rounds), began, items);
    }

    /// <summary>A phase too small to share is run by who finished the one before; the others wait for it.</summary>
    private void PassAlone<TItems>(long phase, TItems items)
        where TItems : struct, IItems
    {
        if (_leads && !IsLate)
        {
            items.Compute(0, this);
            items.Write(0, this);
            _board.Complete(phase);
            return;
        }

        _leads = false;
        long started = Stopwatch.GetTimestamp();
        while (_board.Current == phase)
        {
            _team.ThrowIfFailed();
            SpinOrSleep(Stopwatch.GetTimestamp() - started <= MostSpinning, phase, total: null);
        }
    }

    /// <summary>Runs items that it has claimed, until another member takes them from it.</summary>
    private void RunRange<TItems>(Phase phase, int first, int end, TItems items)
        where TItems : struct, IItems
    {
        for (int i = first; i < end; i++)
        {
            int item = phase.ItemAt(i, TeamCount);
            if (TItems.MayBeTaken)
            {
                _board.BeginItem(Number, phase.Number, i, end);
                Compute(item, items);
                if (!_board.TryWrite(Number, phase.Number, i))
                {
                    return;
                }
            }

            items.Write(item, this);
            _board.SetDone(Number, phase.Number, ++_done);
        }
    }

    private void Compute<TItems>(int item, TItems items)
        where TItems : struct, IItems
    {
        try
        {
            items.Compute(item, this);
        }
        catch (Exception) when (IsLate)
        {
            // What it read was of another step, and nobody will see what came of it.
        }
    }

    private void WaitForOthers<TItems>(Phase phase, long began, TItems items)
        where TItems : struct, IItems
    {
        _leads = false;
        long started = 0;
        long patience = 0;
        while (_board.Current == phase.Number)
        {
            if (_board.CountDone(phase.Number) == phase.Total)
            {
                _leads = _board.Complete(phase.Number);
                return;
            }

            _team.ThrowIfFailed();
            long now = Stopwatch.GetTimestamp();
            if (started == 0)
            {
                started = now;
                long average = _done > 0 && began > 0 ? (now - began) / _done : 0;
                patience = Math.Max(LeastPatience, average + (average / 2));
            }

            if (TItems.MayBeTaken && now - started > patience && TryTakeOver(phase, items))
            {
                continue;
            }

            SpinOrSleep(now - started <= patience + MostSpinning, phase.Number, phase.Total);
        }
    }

    /// <summary>
    /// Does what another member has claimed and may not be there to do; false where nobody computes anything.
    /// </summary>
    private bool TryTakeOver<TItems>(Phase phase, TItems items)
        where TItems : struct, IItems
    {
        for (int other = 0; other < TeamCount; other++)
        {
            if (other == Number || !_board.TryWant(other, phase.Number, out int first, out int end))
            {
                continue;
            }

            int item = phase.ItemAt(first, TeamCount);
            Compute(item, items);
            if (_board.TryTake(other, phase.Number, first))
            {
                items.Write(item, this);
                _board.SetDone(Number, phase.Number, ++_done);
                RunRange(phase, first + 1, end, items);
            }

            return true;
        }

        return false;
    }

    /// <summary>
    /// Waits a little. Who sleeps comes back to look whether there is something to take over by then.
    /// </summary>
    private void SpinOrSleep(bool spins, long phase, int? total)
    {
        if (spins)
        {
            Thread.SpinWait(1);
            return;
        }

        int round = _team.Room.Enter();
        if (_board.Current == phase && _board.CountDone(phase) != total && !_team.HasFailed)
        {
            _team.Room.Sleep(round, MostSleep);
        }
    }

    /// <summary>
    /// A phase's items in the order they are claimed in: those at home with a member stand together, round by round.
    /// </summary>
    private readonly struct Phase(long number, int units, int rounds)
    {
        public long Number => number;

        public int Total => units * rounds;

        public int ItemAt(int index, int members)
        {
            if (rounds == 1)
            {
                return index;
            }

            int home = (int)(((((long)index / rounds) + 1) * members - 1) / units);
            int first = (int)((long)units * home / members);
            int width = (int)((long)units * (home + 1) / members) - first;
            int at = index - (first * rounds);
            return (at / width * units) + first + (at % width);
        }
    }

    private interface IItems
    {
        static abstract bool MayBeTaken { get; }

        void Compute(int item, TeamMember member);

        void Write(int item, TeamMember member);
    }

    private readonly struct Shared<TItems>(TItems items) : IItems
        where TItems : struct, ISharedItems
    {
        private readonly TItems _items = items;

        public static bool MayBeTaken => true;

        public void Compute(int item, TeamMember member) => _items.Compute(item, member);

        public void Write(int item, TeamMember member) => _items.Write(item, member);
    }

    private readonly struct Owned<TItems>(TItems items) : IItems
        where TItems : struct, IOwnItems
    {
        private readonly TItems _items = items;

        public static bool MayBeTaken => false;

        public void Compute(int item, TeamMember member)
        {
        }

        public void Write(int item, TeamMember member) => _items.Run(item, member);
    }
}

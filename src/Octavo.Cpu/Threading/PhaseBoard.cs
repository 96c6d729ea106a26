using System.Runtime.InteropServices;

namespace Octavo.Cpu.Threading;

/// <summary>
/// What the members of a team see of each other: the present phase, which items are claimed, who is at which, and how
/// many are done. All are words that carry the phase that they are of, so that a member who comes late finds out.
/// </summary>
/// <remarks>
/// A phase's number grows with every phase of every piece of work. A word holds its lower bits, a place and a state:
/// an item is named by its place in the order that a phase's items are claimed in.
/// <para>
/// An atomic operation waits for all that the processor has begun to fetch, and a matrix kernel has always begun to
/// fetch what comes next. So members claim items in ranges, ever smaller ones, and go through a range with plain reads
/// and writes. Who takes an item from a member that seems not to run pays for both: it announces that, makes every
/// processor of the process see it (<see cref="Interlocked.MemoryBarrierProcessWide"/>), and only then looks whether
/// the member is still computing. If so, the member will see the announcement before it writes, and one atomic
/// operation decides whose result counts (Dice et al., "Asymmetric Dekker synchronization", 2001).
/// </para>
/// </remarks>
internal sealed class PhaseBoard(int members)
{
    /// <summary>Items that a phase has at most.</summary>
    public const int MostItems = (1 << ItemBits) - 1;

    private const int ItemBits = 20;
    private const int StateBits = 2;
    private const long ItemMask = MostItems;
    private const long TagMask = -1L << (ItemBits + StateBits);

    private readonly Line[] _lines = new Line[members];
    private long _current;

    private enum State
    {
        None,
        Computing,
        Writing,
    }

    /// <summary>The phase that is under way.</summary>
    public long Current => Volatile.Read(ref _current);

    /// <summary>Begins a piece of work at a phase.</summary>
    public void Begin(long phase) => Interlocked.Exchange(ref _current, phase);

    /// <summary>Forgets who wanted to take what, behind a failure; while no member runs.</summary>
    public void Clear()
    {
        foreach (ref Line line in _lines.AsSpan())
        {
            line.Taker = 0;
        }
    }

    /// <summary>Goes on to the next phase; false where somebody did.</summary>
    public bool Complete(long phase) =>
        Current == phase && Interlocked.CompareExchange(ref _current, phase + 1, phase) == phase;

    /// <summary>
    /// Claims most of the items that are left of a member's own, or some of another's; false where none is left, or the
    /// phase is over.
    /// </summary>
    public bool TryClaim(long phase, int home, int count, bool isOwn, out int first, out int end)
    {
        ref long next = ref _lines[home].Next;
        long seen = Volatile.Read(ref next);
        while (true)
        {
            // Of a later phase where its age is negative: this member is late.
            long age = TagOf(Word(phase, 0) - (seen & TagMask));
            first = age == 0 ? PlaceOf(seen) : 0;
            end = first + Math.Max(1, (count - first) * (isOwn ? 3 : 1) / 4);
            if (age < 0 || first >= count)
            {
                return false;
            }

            long found = Interlocked.CompareExchange(ref next, Word(phase, end), seen);
            if (found == seen)
            {
                return Current == phase;
            }

            seen = found;
        }
    }

    /// <summary>Shows that a member computes an item, the first of those up to an end that it has claimed.</summary>
    public void BeginItem(int member, long phase, int place, int end)
    {
        Volatile.Write(ref _lines[member].End, end);
        Volatile.Write(ref _lines[member].At, Word(phase, place, State.Computing));
    }

    /// <summary>
    /// Goes over from computing to writing; false where another member took the item, and those behind it.
    /// </summary>
    public bool TryWrite(int member, long phase, int place)
    {
        ref Line line = ref _lines[member];
        Volatile.Write(ref line.At, Word(phase, place, State.Writing));
        return Volatile.Read(ref line.Wanted) != Word(phase, place) || TryDecide(member, phase, place);
    }

    /// <summary>
    /// Announces that another member's item is wanted. Gives the item and the end of what that member has claimed, or
    /// false where it computes nothing, or is about to write.
    /// </summary>
    public bool TryWant(int member, long phase, out int place, out int end)
    {
        ref Line line = ref _lines[member];
        long at = Volatile.Read(ref line.At);
        (place, end) = (PlaceOf(at), 0);
        if (at != Word(phase, place, State.Computing)
            || Volatile.Read(ref line.Decided) == Word(phase, place)
            || Interlocked.CompareExchange(ref line.Taker, Word(phase, place, State.Computing), 0) != 0)
        {
            return false;
        }

        Volatile.Write(ref line.Wanted, Word(phase, place));
        Interlocked.MemoryBarrierProcessWide();
        end = Volatile.Read(ref line.End);
        if (Volatile.Read(ref line.At) == at)
        {
            return true;
        }

        Volatile.Write(ref line.Taker, 0);
        return false;
    }

    /// <summary>Behind <see cref="TryWant"/>: takes the item; false where its member came first.</summary>
    public bool TryTake(int member, long phase, int place)
    {
        bool taken = TryDecide(member, phase, place);
        Volatile.Write(ref _lines[member].Taker, 0);
        return taken;
    }

    /// <summary>Notes how many items of a phase a member has written.</summary>
    public void SetDone(int member, long phase, int count) =>
        Volatile.Write(ref _lines[member].Done, Word(phase, count));

    /// <summary>Items of a phase that are written.</summary>
    public int CountDone(long phase)
    {
        int done = 0;
        foreach (ref Line line in _lines.AsSpan())
        {
            long word = Volatile.Read(ref line.Done);
            done += TagOf(word) == TagOf(Word(phase, 0)) ? PlaceOf(word) : 0;
        }

        return done;
    }

    private static int PlaceOf(long word) => (int)((word >> StateBits) & ItemMask);

    private static long TagOf(long word) => word >> (ItemBits + StateBits);

    private static long Word(long phase, int place, State state = State.None) =>
        (((phase << ItemBits) | (uint)place) << StateBits) | (uint)state;

    private bool TryDecide(int member, long phase, int place)
    {
        ref long decided = ref _lines[member].Decided;
        long before = Volatile.Read(ref decided);
        return before != Word(phase, place)
            && Interlocked.CompareExchange(ref decided, Word(phase, place), before) == before;
    }

    /// <summary>
    /// A member's words: what others look at when they have nothing left to do stands together, what they write apart
    /// from it, and from the next member's, by two cache lines, since processors fetch two at once.
    /// </summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Line
    {
        /// <summary>The item that it is at, and whether it computes or writes it.</summary>
        [FieldOffset(0)]
        public long At;

        /// <summary>Items that it has written.</summary>
        [FieldOffset(8)]
        public long Done;

        /// <summary>The end of the range that it has claimed.</summary>
        [FieldOffset(16)]
        public int End;

        /// <summary>The next item of its home that nobody has claimed.</summary>
        [FieldOffset(24)]
        public long Next;

        /// <summary>The item of this member that another one wants.</summary>
        [FieldOffset(128)]
        public long Wanted;

        /// <summary>The last wanted item of which it is decided who writes it.</summary>
        [FieldOffset(136)]
        public long Decided;

        /// <summary>Not 0 while another member computes what this one is at.</summary>
        [FieldOffset(144)]
        public long Taker;
    }
}

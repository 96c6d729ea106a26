using System.Runtime.InteropServices;

namespace Octavo.Cpu.Threading;

/// <summary>
/// What the members of a team see of each other: the present phase, which items are claimed, who holds which, and how
/// many are done. Words only, each written by atomic operations; all carry the phase that they are of, so that a member
/// who comes late finds out that it does.
/// </summary>
/// <remarks>
/// A phase's number grows with every phase of every piece of work. A word holds its lower bits, an item and a state.
/// </remarks>
internal sealed class PhaseBoard(int members)
{
    /// <summary>Items a phase has at most.</summary>
    public const int MostItems = 1 << ItemBits;

    private const int ItemBits = 20;
    private const int StateBits = 2;
    private const long ItemMask = MostItems - 1;
    private const long TagMask = -1L << (ItemBits + StateBits);

    private readonly Line[] _lines = new Line[members];
    private long _current;

    /// <summary>What a member does with the item that it holds.</summary>
    public enum Holding
    {
        /// <summary>It computes: another member may do so, too.</summary>
        Computing = 1,

        /// <summary>It writes, or computes what nobody else may: others have to wait.</summary>
        Writing = 2,

        /// <summary>Another member was faster.</summary>
        Taken = 3,
    }

    /// <summary>The phase that is under way.</summary>
    public long Current => Volatile.Read(ref _current);

    /// <summary>Begins a piece of work at a phase.</summary>
    public void Begin(long phase) => Interlocked.Exchange(ref _current, phase);

    /// <summary>Goes on to the next phase, unless somebody did.</summary>
    public void Complete(long phase) => Interlocked.CompareExchange(ref _current, phase + 1, phase);

    /// <summary>Claims the next of the items that are at home with a member; false where none is left.</summary>
    public bool TryClaim(long phase, int home, int count, out int index)
    {
        ref long next = ref _lines[home].Next;
        long seen = Volatile.Read(ref next);
        while (true)
        {
            long age = TagOf(Word(phase, 0, 0) - (seen & TagMask));
            index = age == 0 ? ItemOf(seen) : 0;
            if (age < 0 || index >= count)
            {
                return false;               // of a later phase, or all claimed
            }

            long found = Interlocked.CompareExchange(ref next, Word(phase, index + 1, 0), seen);
            if (found == seen)
            {
                return true;
            }

            seen = found;
        }
    }

    /// <summary>
    /// Shows what a member holds from now on; false where the phase is over: the claim was of the past.
    /// </summary>
    public bool TryHold(int member, long phase, int item, Holding holding)
    {
        Interlocked.Exchange(ref _lines[member].Held, Word(phase, item, holding));
        return Current == phase;
    }

    /// <summary>Goes over from computing to writing; false where another member was faster.</summary>
    public bool TryWrite(int member, long phase, int item)
    {
        long word = Word(phase, item, Holding.Computing);
        return Interlocked.CompareExchange(ref _lines[member].Held, Word(phase, item, Holding.Writing), word) == word;
    }

    /// <summary>The item that a member of this phase is computing, or −1.</summary>
    public int ComputedBy(int member, long phase)
    {
        long word = Volatile.Read(ref _lines[member].Held);
        int item = ItemOf(word);
        return word == Word(phase, item, Holding.Computing) ? item : -1;
    }

    /// <summary>Takes an item from the member who computes it; false where that one began to write.</summary>
    public bool TryTake(int member, long phase, int item)
    {
        long word = Word(phase, item, Holding.Computing);
        return Interlocked.CompareExchange(ref _lines[member].Held, Word(phase, item, Holding.Taken), word) == word;
    }

    /// <summary>Notes how many items of a phase a member has written.</summary>
    public void SetDone(int member, long phase, int count) =>
        Volatile.Write(ref _lines[member].Done, Word(phase, count, 0));

    /// <summary>Items of a phase that are written.</summary>
    public int CountDone(long phase)
    {
        long tag = TagOf(Word(phase, 0, 0));
        int done = 0;
        for (int i = 0; i < _lines.Length; i++)
        {
            long word = Volatile.Read(ref _lines[i].Done);
            done += TagOf(word) == tag ? ItemOf(word) : 0;
        }

        return done;
    }

    private static int ItemOf(long word) => (int)((word >> StateBits) & ItemMask);

    private static long TagOf(long word) => word >> (ItemBits + StateBits);

    private static long Word(long phase, int item, Holding holding) =>
        (((phase << ItemBits) | (uint)item) << StateBits) | (uint)holding;

    /// <summary>A member's words, apart from those of others by two cache lines: processors fetch two at once.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 384)]
    private struct Line
    {
        [FieldOffset(0)]
        public long Held;

        [FieldOffset(8)]
        public long Done;

        [FieldOffset(192)]
        public long Next;
    }
}

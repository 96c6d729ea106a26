using System.Globalization;
using System.Runtime.InteropServices;

namespace Octavo.Cpu.Threading;

/// <summary>
/// The memory nodes of this machine and their processors: on a machine with several, a member of a team reads its share
/// of the weights from the memory beside it. Linux only; elsewhere, and on most machines, there is one node.
/// </summary>
/// <remarks>Source: Linux, Documentation/ABI/stable/sysfs-devices-node; man 2 mbind; man 2 sched_setaffinity.</remarks>
internal sealed unsafe class NumaNodes
{
    private readonly (int Number, int[] Processors)[] _nodes;

    private NumaNodes((int Number, int[] Processors)[] nodes) => _nodes = nodes;

    /// <summary>This machine's.</summary>
    public static NumaNodes OfMachine { get; } = Read("/sys/devices/system/node", Environment.ProcessorCount);

    /// <summary>Whether where memory lies makes a difference.</summary>
    public bool Several => _nodes.Length > 1;

    /// <summary>Reads nodes that have processors; one of all processors where the system does not say.</summary>
    /// <param name="path">The folder that holds <c>node0/cpulist</c> and so on.</param>
    /// <param name="processors">Processors of the machine.</param>
    public static NumaNodes Read(string path, int processors)
    {
        if (!OperatingSystem.IsLinux() || !Directory.Exists(path))
        {
            return new NumaNodes([(0, [.. Enumerable.Range(0, processors)])]);
        }

        (int, int[])[] nodes =
        [
            .. Directory.GetDirectories(path, "node*")
                .Where(d => int.TryParse(
                    Path.GetFileName(d).AsSpan(4), NumberStyles.None, CultureInfo.InvariantCulture, out _))
                .Select(d => (int.Parse(Path.GetFileName(d).AsSpan(4), CultureInfo.InvariantCulture),
                    Processors(Path.Combine(d, "cpulist"))))
                .Where(n => n.Item2.Length > 0)
                .OrderBy(n => n.Item1),
        ];
        return new NumaNodes(nodes.Length > 0 ? nodes : [(0, [.. Enumerable.Range(0, processors)])]);
    }

    /// <summary>The node of a member of a team: neighbours in number share one.</summary>
    public int NodeOf(int worker, int workers) => _nodes[(int)((long)worker * _nodes.Length / workers)].Number;

    /// <summary>Keeps the calling thread on the processors of a member's node.</summary>
    public void Pin(int worker, int workers)
    {
        const int words = 16;
        ulong* mask = stackalloc ulong[words];
        new Span<ulong>(mask, words).Clear();
        foreach (int processor in _nodes[(int)((long)worker * _nodes.Length / workers)].Processors)
        {
            if (processor < words * 64)
            {
                mask[processor / 64] |= 1UL << (processor % 64);
            }
        }

        // A container may allow none of them; the thread then stays where the system puts it.
        _ = sched_setaffinity(0, words * sizeof(ulong), mask);
    }

    /// <summary>Moves a member's share of a buffer to its node, where the system lets it.</summary>
    public void Place(byte* start, long bytes, int worker, int workers)
    {
        const long mbind = 237, preferred = 1, move = 2, page = 4096, bits = 64;
        int node = NodeOf(worker, workers);
        if (!Several || node >= bits || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return;
        }

        ulong mask = 1UL << node;
        long first = ((long)start + page - 1) / page * page;
        long end = ((long)start + bytes) / page * page;
        if (end > first)
        {
            _ = syscall(mbind, first, end - first, preferred, (long)&mask, bits + 1, move);
        }
    }

    private static int[] Processors(string cpuList)
    {
        var processors = new List<int>();
        foreach (string range in File.ReadAllText(cpuList).Trim().Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] ends = range.Split('-');
            int first = int.Parse(ends[0], CultureInfo.InvariantCulture);
            int last = int.Parse(ends[^1], CultureInfo.InvariantCulture);
            processors.AddRange(Enumerable.Range(first, last - first + 1));
        }

        return [.. processors];
    }

    [DllImport("libc")]
    private static extern int sched_setaffinity(int thread, nuint size, ulong* mask);

    [DllImport("libc")]
    private static extern long syscall(long number, long a, long b, long c, long d, long e, long f);
}

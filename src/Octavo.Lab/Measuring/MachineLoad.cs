using System.Diagnostics;
using System.Globalization;

namespace Octavo.Lab.Measuring;

/// <summary>
/// How much of the machine's processor time others had while something was measured.
/// </summary>
/// <param name="Others">The part that other processes of this machine had, of all processors' time.</param>
/// <param name="Stolen">The part that the host of a virtual machine gave to somebody else.</param>
internal readonly record struct Disturbance(double Others, double Stolen)
{
    /// <summary>Above this part of the machine a figure says more of the others than of what it is of.</summary>
    public const double Limit = 0.03;

    /// <summary>Whether a figure that was measured meanwhile means anything.</summary>
    public bool IsSmall => Others + Stolen <= Limit;
}

/// <summary>Processor time up to a moment, in seconds.</summary>
/// <param name="Timestamp">The moment.</param>
/// <param name="Busy">Of all processes and of the system, on all processors.</param>
/// <param name="Stolen">What the host of a virtual machine gave to somebody else.</param>
/// <param name="Own">Of this process.</param>
/// <param name="Processors">Processors of the machine.</param>
/// <remarks>Source: Linux, man 5 proc_stat; a unit there is a hundredth of a second.</remarks>
internal readonly record struct MachineLoad(long Timestamp, double Busy, double Stolen, double Own, int Processors)
{
    private const double UnitsPerSecond = 100;
    private const int Idle = 3;
    private const int Waiting = 4;
    private const int Steal = 7;

    /// <summary>Reads them; null where the system does not tell.</summary>
    public static MachineLoad? Read() => OperatingSystem.IsLinux() && File.Exists("/proc/stat")
        ? Parse(File.ReadLines("/proc/stat"), Environment.CpuUsage.TotalTime.TotalSeconds)
        : null;

    /// <summary>What others had since an earlier moment.</summary>
    public Disturbance Since(MachineLoad before)
    {
        double all = Stopwatch.GetElapsedTime(before.Timestamp, Timestamp).TotalSeconds * Processors;
        double others = Busy - before.Busy - (Own - before.Own);
        return new Disturbance(Math.Max(0, others / all), Math.Max(0, (Stolen - before.Stolen) / all));
    }

    /// <summary>
    /// Reads the line of all processors, the first, and counts those of each.
    /// </summary>
    /// <param name="lines">User, nice, system, idle, waiting, interrupts (two), stolen.</param>
    /// <param name="own">Seconds of this process.</param>
    internal static MachineLoad Parse(IEnumerable<string> lines, double own)
    {
        string[] processors = [.. lines.TakeWhile(line => line.StartsWith("cpu", StringComparison.Ordinal))];
        double[] seconds =
        [
            .. processors[0].Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(Steal + 1)
                .Select(units => double.Parse(units, CultureInfo.InvariantCulture) / UnitsPerSecond),
        ];
        double busy = seconds.Take(Steal).Sum() - seconds[Idle] - seconds[Waiting];
        return new MachineLoad(Stopwatch.GetTimestamp(), busy, seconds[Steal], own, processors.Length - 1);
    }
}

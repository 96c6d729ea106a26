using System.Globalization;

namespace Octavo;

/// <summary>How much memory this process may have.</summary>
/// <remarks>
/// On Linux the least of what the machine has (<c>/proc/meminfo</c>) and of the limits of the control groups that the
/// process is in, version 2 (<c>memory.max</c>) and 1 (<c>memory.limit_in_bytes</c>), theirs and those above them:
/// containers are limited that way. What the kernel holds of files gives way, and so counts as free. The runtime's own
/// limit counts where no control group has one; where one has, the runtime's is three quarters of it, meant for
/// objects, which weights and cache are not. On Windows and macOS what the system says is free
/// (<see cref="SystemFreeMemory"/>), within the runtime's limit.
/// </remarks>
/// <param name="Total">Bytes in all.</param>
/// <param name="Free">Bytes that nobody has yet.</param>
/// <param name="Source">What sets <paramref name="Free"/>, in words.</param>
public sealed record MachineMemory(long Total, long Free, string Source)
{
    // Version 1 writes "no limit" as the largest multiple of a page.
    private const long Unlimited = 1L << 60;

    /// <summary>Looks now.</summary>
    public static MachineMemory Read() =>
        Read("/", GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, SystemFreeMemory.Read());

    /// <summary>Looks below another root.</summary>
    /// <param name="root">The directory that stands for /.</param>
    /// <param name="runtimeLimit">What the runtime says there is.</param>
    /// <param name="system">What the system says without files, or null.</param>
    internal static MachineMemory Read(string root, long runtimeLimit, MachineMemory? system = null)
    {
        List<MachineMemory> limits = [.. Groups(root)];
        bool grouped = limits.Count > 0;
        if ((system ?? Machine(root)) is { } machine)
        {
            limits.Add(machine);
        }

        if (!grouped)
        {
            limits.Add(new MachineMemory(runtimeLimit, runtimeLimit, "the .NET runtime's limit"));
        }

        MachineMemory least = limits.MinBy(l => l.Free)!;
        return least with { Total = limits.Min(l => l.Total) };
    }

    private static MachineMemory? Machine(string root)
    {
        Dictionary<string, long> values = Table(Path.Combine(root, "proc/meminfo"));
        return values.TryGetValue("MemTotal:", out long total) && values.TryGetValue("MemAvailable:", out long free)
            ? new MachineMemory(total << 10, free << 10, "this machine")
            : null;
    }

    private static IEnumerable<MachineMemory> Groups(string root)
    {
        foreach (string line in Lines(Path.Combine(root, "proc/self/cgroup")))
        {
            // id:controllers:path
            string[] parts = line.Split(':', 3);
            if (parts.Length < 3)
            {
                continue;
            }

            if (parts[1].Length == 0)
            {
                foreach (MachineMemory limit in Group(
                    Path.Combine(root, "sys/fs/cgroup"), parts[2], "memory.max", "memory.current", string.Empty))
                {
                    yield return limit;
                }
            }
            else if (parts[1].Split(',').Contains("memory"))
            {
                foreach (MachineMemory limit in Group(
                    Path.Combine(root, "sys/fs/cgroup/memory"), parts[2], "memory.limit_in_bytes",
                    "memory.usage_in_bytes", "total_"))
                {
                    yield return limit;
                }
            }
        }
    }

    // A group and those above it. Within a container the path may be the host's, of which only the mount itself is
    // seen.
    private static IEnumerable<MachineMemory> Group(
        string mount, string path, string limitFile, string usageFile, string prefix)
    {
        string[] names = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (int depth = names.Length; depth >= 0; depth--)
        {
            string group = string.Join('/', names.Take(depth));
            string folder = Path.Combine(mount, group);
            if (Number(Path.Combine(folder, limitFile)) is { } most and < Unlimited)
            {
                Dictionary<string, long> stat = Table(Path.Combine(folder, "memory.stat"));
                long files = stat.GetValueOrDefault(prefix + "inactive_file") + stat
                    .GetValueOrDefault(prefix + "active_file");
                long used = Math.Max(0, (Number(Path.Combine(folder, usageFile)) ?? 0) - files);
                yield return new MachineMemory(
                    most, Math.Max(0, most - used), $"{limitFile} of control group /{group}");
            }
        }
    }

    private static long? Number(string file) =>
        Lines(file).FirstOrDefault() is { } text
            && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? number
            : null;

    private static Dictionary<string, long> Table(string file)
    {
        Dictionary<string, long> values = new(StringComparer.Ordinal);
        foreach (string line in Lines(file))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length >= 2
                && long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out long number))
            {
                values[words[0]] = number;
            }
        }

        return values;
    }

    // A file that is not there, or not for us, limits nothing.
    private static string[] Lines(string file)
    {
        try
        {
            return File.Exists(file) ? File.ReadAllLines(file) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}

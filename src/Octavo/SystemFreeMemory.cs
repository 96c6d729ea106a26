using System.Runtime.InteropServices;

namespace Octavo;

/// <summary>What Windows and macOS say of the machine's memory; Linux says it in files.</summary>
internal static unsafe partial class SystemFreeMemory
{
    // host_statistics64's HOST_VM_INFO64, whose answer, vm_statistics64, is so many 32-bit words.
    private const int VirtualMemory = 4;
    private const int VirtualMemoryWords = 38;

    /// <summary>Asks the system that this runs on; null where it is another, or does not answer.</summary>
    public static MachineMemory? Read() =>
        OperatingSystem.IsWindows() ? ReadWindows() : OperatingSystem.IsMacOS() ? ReadMac() : null;

    /// <summary>Windows: what can be had without paging others out, and no more than may still be committed.</summary>
    internal static MachineMemory FromWindows(WindowsStatus status) => new(
        (long)Math.Min(status.TotalPhysical, long.MaxValue),
        (long)Math.Min(Math.Min(status.AvailablePhysical, status.AvailableCommit), long.MaxValue),
        "this machine");

    /// <summary>macOS: pages that are free, and inactive ones, which the kernel gives to whoever asks next.</summary>
    /// <param name="total">Bytes in all.</param>
    /// <param name="pageSize">Bytes a page, as the statistics count them.</param>
    /// <param name="statistics">A <c>vm_statistics64</c>: free, active, inactive, wired … pages.</param>
    internal static MachineMemory FromMac(long total, long pageSize, ReadOnlySpan<uint> statistics) =>
        new(total, Math.Min(total, pageSize * ((long)statistics[0] + statistics[2])), "this machine");

    private static MachineMemory? ReadWindows()
    {
        WindowsStatus status = default;
        status.Length = (uint)sizeof(WindowsStatus);
        return GlobalMemoryStatusEx(&status) != 0 ? FromWindows(status) : null;
    }

    private static MachineMemory? ReadMac()
    {
        uint* statistics = stackalloc uint[VirtualMemoryWords];
        uint words = VirtualMemoryWords;
        nuint pageSize;
        ulong total;
        nuint totalSize = sizeof(ulong);
        uint host = MachHostSelf();
        return HostStatistics64(host, VirtualMemory, statistics, &words) == 0
            && HostPageSize(host, &pageSize) == 0
            && SystemControl("hw.memsize", &total, &totalSize, null, 0) == 0
            ? FromMac((long)total, (long)pageSize, new ReadOnlySpan<uint>(statistics, (int)words))
            : null;
    }

    [LibraryImport("kernel32")]
    private static partial int GlobalMemoryStatusEx(WindowsStatus* status);

    [LibraryImport("libSystem.dylib", EntryPoint = "mach_host_self")]
    private static partial uint MachHostSelf();

    [LibraryImport("libSystem.dylib", EntryPoint = "host_statistics64")]
    private static partial int HostStatistics64(uint host, int flavor, uint* statistics, uint* words);

    [LibraryImport("libSystem.dylib", EntryPoint = "host_page_size")]
    private static partial int HostPageSize(uint host, nuint* bytes);

    [LibraryImport("libSystem.dylib", EntryPoint = "sysctlbyname", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SystemControl(string name, void* value, nuint* valueSize, void* newValue, nuint newSize);

    /// <summary>Windows' <c>MEMORYSTATUSEX</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct WindowsStatus
    {
        public uint Length;
        public uint Load;
        public ulong TotalPhysical;
        public ulong AvailablePhysical;
        public ulong TotalCommit;
        public ulong AvailableCommit;
        public ulong TotalVirtual;
        public ulong AvailableVirtual;
        public ulong AvailableExtendedVirtual;
    }
}

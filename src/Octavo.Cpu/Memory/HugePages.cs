using System.Runtime.InteropServices;

namespace Octavo.Cpu.Memory;

/// <summary>
/// Asks the system to back large memory with large pages. With pages of 4 KiB every block of the key-value cache costs
/// a walk through the page tables, which takes longer than reading it, and weights stop the prefetcher at every page.
/// </summary>
internal static unsafe class HugePages
{
    private const nuint HugePage = 2 << 20;

    /// <summary>
    /// Advises the whole huge pages within a buffer that is not touched yet. A system that knows no such advice goes on
    /// as it was.
    /// </summary>
    public static void Advise(NativeBuffer buffer)
    {
        const int adviseHugePage = 14;
        nuint start = ((nuint)buffer.Pointer + HugePage - 1) & ~(HugePage - 1);
        nuint end = ((nuint)buffer.Pointer + (nuint)buffer.Length) & ~(HugePage - 1);
        if (OperatingSystem.IsLinux() && end > start)
        {
            // Advice: a kernel without huge pages refuses it, and nothing is lost.
            _ = madvise((void*)start, end - start, adviseHugePage);
        }
    }

    [DllImport("libc")]
    private static extern int madvise(void* address, nuint length, int advice);
}

using System.Runtime.InteropServices;

namespace Octavo.Cpu.Memory;

/// <summary>
/// Memory for native buffers. Those of a mebibyte and more are mapped from the system and unmapped again: the C library
/// would keep what is freed, glibc in blocks of up to 32 MiB and in an arena for each thread, and a process that loads
/// one model after another would grow by tens of MiB each time.
/// </summary>
internal static unsafe partial class SystemMemory
{
    /// <summary>The size from which memory is mapped.</summary>
    public const int MappedFrom = 1 << 20;

    // mmap's arguments: readable and writable, of this process alone, no file. The last two differ by system.
    private const int ReadWrite = 0x1 | 0x2;
    private const int Private = 0x02;
    private const int AnonymousOnLinux = 0x20;
    private const int AnonymousOnBsd = 0x1000;

    // VirtualAlloc's: reserved and committed, readable and writable; VirtualFree's: all of it.
    private const uint ReserveAndCommit = 0x1000 | 0x2000;
    private const uint PageReadWrite = 0x04;
    private const uint Release = 0x8000;

    /// <summary>Allocates memory that holds zeros.</summary>
    /// <exception cref="InsufficientMemoryException">The system has none to give.</exception>
    public static void* AllocateZeroed(nuint bytes)
    {
        if (bytes < MappedFrom)
        {
            return NativeMemory.AllocZeroed(bytes);
        }

        void* memory;
        if (OperatingSystem.IsWindows())
        {
            memory = VirtualAlloc(null, bytes, ReserveAndCommit, PageReadWrite);
        }
        else
        {
            int anonymous = OperatingSystem.IsLinux() || OperatingSystem.IsAndroid()
                ? AnonymousOnLinux
                : AnonymousOnBsd;
            memory = Map(null, bytes, ReadWrite, Private | anonymous, -1, 0);
            memory = (nint)memory == -1 ? null : memory;
        }

#pragma warning disable MA0012, S112 // What NativeMemory throws, in whose place this stands.
        return memory is null
            ? throw new InsufficientMemoryException($"the system has no {bytes >> 20} MiB of memory to give")
            : memory;
#pragma warning restore MA0012, S112
    }

    /// <summary>Gives memory back.</summary>
    /// <param name="memory">What <see cref="AllocateZeroed"/> gave.</param>
    /// <param name="bytes">As many as were asked for.</param>
    public static void Free(void* memory, nuint bytes)
    {
        if (bytes < MappedFrom)
        {
            NativeMemory.Free(memory);
            return;
        }

        bool done = OperatingSystem.IsWindows() ? VirtualFree(memory, 0, Release) != 0 : Unmap(memory, bytes) == 0;
        if (!done)
        {
            throw new InvalidOperationException($"the system did not take back {bytes >> 20} MiB of memory");
        }
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial void* Map(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(void* address, nuint length);

    [LibraryImport("kernel32")]
    private static partial void* VirtualAlloc(void* address, nuint size, uint type, uint protection);

    [LibraryImport("kernel32")]
    private static partial int VirtualFree(void* address, nuint size, uint type);
}

using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Octavo.Cpu.Memory;

/// <summary>
/// Machine code in memory that was written first and sealed then: readable and executable, never writable and
/// executable together. Lives as long as the process, as the kernels that it holds do.
/// </summary>
internal static unsafe class ExecutableMemory
{
    private const int PageSize = 4096;

    /// <summary>Whether this is 64-bit x86, and a system that lets a process make code and run it.</summary>
    public static bool IsAllowed { get; } = TryOnce();

    /// <summary>Places code and returns where it begins.</summary>
    /// <exception cref="PlatformNotSupportedException">This system does not let the process make code
    /// executable.</exception>
    public static void* Seal(ReadOnlySpan<byte> code)
    {
        nuint length = (nuint)((code.Length + PageSize - 1) / PageSize * PageSize);
        return OperatingSystem.IsWindows() ? SealOnWindows(code, length) : SealOnUnix(code, length);
    }

    private static bool TryOnce()
    {
        if (!X86Base.X64.IsSupported)
        {
            return false;
        }

        try
        {
            const byte ret = 0xC3;
            ((delegate* unmanaged<void>)Seal([ret]))();
            return true;
        }
        catch (PlatformNotSupportedException)
        {
            // The kernels in C# are there for such systems.
            return false;
        }
    }

    private static void* SealOnUnix(ReadOnlySpan<byte> code, nuint length)
    {
        const int read = 1, write = 2, execute = 4, isPrivate = 2;
        int anonymous = OperatingSystem.IsMacOS() ? 0x1000 : 0x20;
        void* memory = mmap(null, length, read | write, isPrivate | anonymous, -1, 0);
        if ((nint)memory == -1)
        {
            throw Refused();
        }

        code.CopyTo(new Span<byte>(memory, code.Length));
        if (mprotect(memory, length, read | execute) != 0)
        {
            PlatformNotSupportedException refused = Refused();
            munmap(memory, length);
            throw refused;
        }

        return memory;
    }

    private static void* SealOnWindows(ReadOnlySpan<byte> code, nuint length)
    {
        const uint commitAndReserve = 0x3000, readWrite = 4, executeRead = 0x20, release = 0x8000;
        void* memory = VirtualAlloc(null, length, commitAndReserve, readWrite);
        if (memory == null)
        {
            throw Refused();
        }

        code.CopyTo(new Span<byte>(memory, code.Length));
        if (!VirtualProtect(memory, length, executeRead, out _))
        {
            PlatformNotSupportedException refused = Refused();
            VirtualFree(memory, 0, release);
            throw refused;
        }

        return memory;
    }

    private static PlatformNotSupportedException Refused() =>
        new("this system does not let the process run code that it makes: "
            + new Win32Exception(Marshal.GetLastPInvokeError()).Message);

    [DllImport("libc", SetLastError = true)]
    private static extern void* mmap(void* address, nuint length, int protection, int flags, int file, nint offset);

    [DllImport("libc", SetLastError = true)]
    private static extern int mprotect(void* address, nuint length, int protection);

    [DllImport("libc", SetLastError = true)]
    private static extern int munmap(void* address, nuint length);

    [DllImport("kernel32", SetLastError = true)]
    private static extern void* VirtualAlloc(void* address, nuint length, uint type, uint protection);

    [DllImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool VirtualProtect(void* address, nuint length, uint protection, out uint old);

    [DllImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool VirtualFree(void* address, nuint length, uint type);
}

using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Octavo.Cpu.Codegen;

/// <summary>
/// Machine code in memory that was written first and sealed then: readable and executable, never writable and
/// executable together. Lives as long as the process, as the kernels that it holds do.
/// </summary>
internal static unsafe class ExecutableMemory
{
    private const int PageSize = 4096;

    /// <summary>Places code and returns where it begins.</summary>
    /// <exception cref="PlatformNotSupportedException">This system does not let the process make code executable.</exception>
    public static void* Seal(ReadOnlySpan<byte> code)
    {
        nuint length = (nuint)((code.Length + PageSize - 1) / PageSize * PageSize);
        return OperatingSystem.IsWindows() ? SealOnWindows(code, length) : SealOnUnix(code, length);
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
        new("this system does not let the process run code that it makes: " + new Win32Exception(Marshal.GetLastPInvokeError()).Message);

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

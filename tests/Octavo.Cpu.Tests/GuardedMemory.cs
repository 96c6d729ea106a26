using System.Runtime.InteropServices;

namespace Octavo.Cpu.Tests;

/// <summary>
/// Memory whose end touches a page that nobody may read or write, so that a kernel that goes one element too far ends
/// the test run instead of passing. Linux only; elsewhere it is plain memory.
/// </summary>
internal sealed unsafe class GuardedMemory : IDisposable
{
    private const int PageSize = 4096;

    private readonly byte* _map;
    private readonly nuint _length;

    public GuardedMemory(int bytes)
    {
        nuint pages = (nuint)((bytes + PageSize - 1) / PageSize);
        _length = (pages + 1) * PageSize;
        if (OperatingSystem.IsLinux())
        {
            _map = (byte*)mmap(null, _length, 3, 0x22, -1, 0);
            ((nint)_map).ShouldNotBe(-1);
            mprotect(_map + (pages * PageSize), PageSize, 0).ShouldBe(0);
        }
        else
        {
            _map = (byte*)NativeMemory.AllocZeroed(_length);
        }

        Pointer = _map + (pages * PageSize) - (nuint)bytes;
    }

    public byte* Pointer { get; }

    public float* Floats => (float*)Pointer;

    public static GuardedMemory OfFloats(ReadOnlySpan<float> values)
    {
        var memory = new GuardedMemory(values.Length * sizeof(float));
        values.CopyTo(new Span<float>(memory.Floats, values.Length));
        return memory;
    }

    public void Dispose()
    {
        if (OperatingSystem.IsLinux())
        {
            munmap(_map, _length);
        }
        else
        {
            NativeMemory.Free(_map);
        }
    }

    [DllImport("libc", SetLastError = true)]
    private static extern void* mmap(void* address, nuint length, int protection, int flags, int file, nint offset);

    [DllImport("libc", SetLastError = true)]
    private static extern int mprotect(void* address, nuint length, int protection);

    [DllImport("libc", SetLastError = true)]
    private static extern int munmap(void* address, nuint length);
}

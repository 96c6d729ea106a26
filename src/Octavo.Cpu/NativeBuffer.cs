using System.Runtime.InteropServices;

namespace Octavo.Cpu;

/// <summary>
/// Zeroed native memory on a cache line's boundary, with one owner. Large buffers come from the system page by page as
/// they are first touched, so a generous cache costs nothing until it fills.
/// </summary>
internal sealed unsafe class NativeBuffer : IDisposable
{
    private const int Alignment = 64;

    private void* _block;

    public NativeBuffer(long bytes)
    {
        Length = bytes;
        _block = NativeMemory.AllocZeroed((nuint)bytes + Alignment);
        Pointer = (byte*)(((nuint)_block + Alignment - 1) & ~(nuint)(Alignment - 1));
    }

    public long Length { get; }

    public byte* Pointer { get; private set; }

    public float* Floats => (float*)Pointer;

    public static NativeBuffer OfFloats(long count) => new(count * sizeof(float));

    public void Dispose()
    {
        NativeMemory.Free(_block);
        _block = null;
        Pointer = null;
    }
}

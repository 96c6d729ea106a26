namespace Octavo.Cpu.Memory;

/// <summary>
/// Zeroed native memory on a cache line's boundary, with one owner. Large buffers come from the system page by page as
/// they are first touched, so a generous cache costs nothing until it fills; when disposed they go back to it.
/// </summary>
internal sealed unsafe class NativeBuffer : IDisposable
{
    private const int Alignment = 64;

    private void* _block;
    private readonly nuint _blockBytes;

    public NativeBuffer(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Length = bytes;
        _blockBytes = (nuint)bytes + Alignment;
        _block = SystemMemory.AllocateZeroed(_blockBytes);
        Pointer = (byte*)(((nuint)_block + Alignment - 1) & ~(nuint)(Alignment - 1));
    }

    public long Length { get; }

    public byte* Pointer { get; private set; }

    public float* Floats => (float*)Pointer;

    public static NativeBuffer OfFloats(long count) => new(count * sizeof(float));

    public void Dispose()
    {
        if (_block is null)
        {
            return;
        }

        SystemMemory.Free(_block, _blockBytes);
        _block = null;
        Pointer = null;
    }
}

namespace Octavo.Formats;

/// <summary>
/// A named array in a mapped file: a view, not a copy. It may be read from many threads while the
/// <see cref="Checkpoint"/> or <see cref="SafetensorsFile"/> that it came from lives, and throws
/// <see cref="ObjectDisposedException"/> afterwards. Elements are little-endian, in row-major order.
/// </summary>
internal sealed unsafe class Tensor
{
    private readonly MappedFile _file;
    private readonly long _offset;

    internal Tensor(MappedFile file, long dataStart, TensorEntry entry)
    {
        _file = file;
        _offset = dataStart + entry.Begin;
        Name = entry.Name;
        Type = entry.Type;
        Shape = Array.AsReadOnly(entry.Shape);
        ElementCount = entry.ElementCount;
        ByteLength = entry.End - entry.Begin;
    }

    /// <summary>The name in the file.</summary>
    public string Name { get; }

    /// <summary>The type of each element.</summary>
    public TensorType Type { get; }

    /// <summary>The dimensions, outermost first; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The product of the dimensions.</summary>
    public long ElementCount { get; }

    /// <summary>The size in bytes; may exceed what a span can hold.</summary>
    public long ByteLength { get; }

    /// <summary>The path of the file that holds it.</summary>
    public string File => _file.Path;

    /// <summary>
    /// The first byte, for packers. Nothing promises that it is aligned to the element: the format allows any header
    /// length. Do not read at or beyond <see cref="ByteLength"/>, nor after disposal.
    /// </summary>
    public byte* Pointer => _file.Start + _offset;

    /// <summary>Some of the bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is not inside the tensor.</exception>
    public ReadOnlySpan<byte> Bytes(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, ByteLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, ByteLength - offset);
        return new ReadOnlySpan<byte>(Pointer + offset, length);
    }

    /// <summary>Says that it will hardly be read again, so that it takes no memory (<see cref="MappedFile.LetGo"/>).
    /// </summary>
    public void LetGo() => _file.LetGo(_offset, ByteLength);

    /// <inheritdoc/>
    public override string ToString() => $"{Name} {Type.Name()} [{string.Join(", ", Shape)}]";
}

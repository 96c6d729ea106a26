namespace Octavo.Formats;

/// <summary>A tensor to be written: what it is, and where its bytes come from.</summary>
internal sealed class TensorSource
{
    private readonly Action<Stream> _write;

    /// <summary>A tensor whose bytes are in memory.</summary>
    /// <exception cref="ArgumentException">The shape is impossible, or does not take as many bytes.</exception>
    public TensorSource(string name, TensorType type, ReadOnlySpan<long> shape, ReadOnlyMemory<byte> data)
        : this(name, type, shape, stream => stream.Write(data.Span))
    {
        if (data.Length != ByteLength)
        {
            throw new ArgumentException(
                $"tensor '{name}' takes {ByteLength} bytes, but {data.Length} are given", nameof(data));
        }
    }

    /// <summary>A tensor whose bytes are written when their turn comes; exactly as many as it takes.</summary>
    /// <exception cref="ArgumentException">The shape is impossible.</exception>
    public TensorSource(string name, TensorType type, ReadOnlySpan<long> shape, Action<Stream> write)
    {
        if (name == SafetensorsHeader.MetadataName)
        {
            throw new ArgumentException($"{name} is reserved by the format", nameof(name));
        }

        string? problem = TensorLayout.Measure(type, shape, out _, out long bytes);
        if (problem is not null)
        {
            throw new ArgumentException($"tensor '{name}': {problem}", nameof(shape));
        }

        Name = name;
        Type = type;
        Shape = Array.AsReadOnly(shape.ToArray());
        ByteLength = bytes;
        _write = write;
    }

    /// <summary>The name in the file.</summary>
    public string Name { get; }

    /// <summary>The type of each element.</summary>
    public TensorType Type { get; }

    /// <summary>The dimensions, outermost first.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The size in bytes.</summary>
    public long ByteLength { get; }

    /// <summary>Writes the bytes.</summary>
    /// <exception cref="InvalidOperationException">They are not as many as the tensor takes.</exception>
    public void WriteTo(Stream stream)
    {
        long start = stream.Position;
        _write(stream);
        if (stream.Position - start != ByteLength)
        {
            throw new InvalidOperationException(
                $"tensor '{Name}' takes {ByteLength} bytes, but {stream.Position - start} were written");
        }
    }
}

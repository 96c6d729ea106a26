using System.Buffers.Binary;

namespace Octavo.Formats;

/// <summary>
/// One safetensors file, mapped: 8 bytes of header length (little-endian), the JSON header, the data
/// (https://huggingface.co/docs/safetensors). Opening reads and checks the header only.
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    private const int LengthBytes = 8;

    private readonly MappedFile _file;

    private SafetensorsFile(MappedFile file)
    {
        _file = file;
        ReadOnlySpan<byte> json = HeaderBytes(file);
        long dataStart = LengthBytes + json.Length;
        SafetensorsHeader header = SafetensorsHeader.Parse(file.Path, json, file.Length - dataStart);
        Metadata = header.Metadata;
        Tensors = [.. header.Tensors.Select(entry => new Tensor(file, dataStart, entry))];
    }

    /// <summary>The file's path.</summary>
    public string Path => _file.Path;

    /// <summary>The tensors, in the order of their bytes in the file.</summary>
    public IReadOnlyList<Tensor> Tensors { get; }

    /// <summary>The header's <c>__metadata__</c>; empty where there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Maps a file and checks its header.</summary>
    /// <exception cref="CheckpointException">The file cannot be read or breaks a rule of the format.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        MappedFile file = MappedFile.Open(path, LengthBytes, "a safetensors header length");
        try
        {
            return new SafetensorsFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Unmaps the file; its tensors may not be read any more.</summary>
    public void Dispose() => _file.Dispose();

    private static unsafe ReadOnlySpan<byte> HeaderBytes(MappedFile file)
    {
        file.RequireNoLfsPointer();

        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(file.Start, LengthBytes));
        if (length > SafetensorsHeader.MaxLength)
        {
            throw new CheckpointException(
                file.Path,
                $"the header length is {length}, above the format's limit of {SafetensorsHeader.MaxLength} bytes; "
                + "this is not a safetensors file, or it is damaged");
        }

        if ((long)length > file.Length - LengthBytes)
        {
            throw new CheckpointException(
                file.Path,
                $"the header length is {length}, but only {file.Length - LengthBytes} bytes follow; "
                + "the file may be truncated");
        }

        return new ReadOnlySpan<byte>(file.Start + LengthBytes, (int)length);
    }
}

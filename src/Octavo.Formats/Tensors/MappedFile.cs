using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace Octavo.Formats;

/// <summary>
/// A file mapped for reading, or memory in place of one. The mapping's pointer is taken once and given back at
/// <see cref="Dispose"/>. A file must not be shortened meanwhile: the operating system then ends the process that reads
/// beyond it.
/// </summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly bool _inMemory;
    private byte* _start;

    private MappedFile(
        string path, long length, MemoryMappedFile file, MemoryMappedViewAccessor view, bool inMemory = false)
    {
        (Path, Length, _file, _view, _inMemory) = (path, length, file, view, inMemory);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _start = start + view.PointerOffset;
    }

    public string Path { get; }

    public long Length { get; }

    /// <summary>The file's first byte.</summary>
    public byte* Start
    {
        get
        {
            ObjectDisposedException.ThrowIf(_start == null, this);
            return _start;
        }
    }

    /// <summary>Maps a file of at least <paramref name="minimumLength"/> (1 or more) bytes.</summary>
    public static MappedFile Open(string path, int minimumLength, string minimumIs)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
            long length = stream.Length;
            if (length < minimumLength)
            {
                throw new CheckpointException(
                    path, $"the file has {length} bytes, fewer than the {minimumLength} of {minimumIs}");
            }

            MemoryMappedFile file = MemoryMappedFile.CreateFromFile(
                stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            try
            {
                return new MappedFile(
                    path, length, file, file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read));
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException(path, "there is no such file", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new CheckpointException(path, $"the file cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Maps memory that belongs to no file, zeroed, to be written by its maker.</summary>
    /// <param name="name">What stands in place of a path.</param>
    /// <param name="length">Bytes, 1 or more.</param>
    public static MappedFile InMemory(string name, long length)
    {
        MemoryMappedFile memory = MemoryMappedFile.CreateNew(null, length);
        try
        {
            return new MappedFile(name, length, memory, memory.CreateViewAccessor(0, length), inMemory: true);
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    /// <summary>Refuses what Git leaves in place of a large file that was not fetched.</summary>
    public void RequireNoLfsPointer() => CheckpointException.ThrowIf(
        new ReadOnlySpan<byte>(Start, (int)Math.Min(Length, 64)).StartsWith("version https://git-lfs"u8),
        Path, "is a pointer of Git LFS, not the file itself; fetch it by: git lfs pull");

    /// <summary>
    /// Takes the pages that lie wholly within a range out of this process's memory. Whoever reads them after all finds
    /// them again, most often in the system's own memory. Only Linux does so, and only with files.
    /// </summary>
    public void LetGo(long offset, long length)
    {
        const int dontNeed = 4;
        nint page = Environment.SystemPageSize;
        nint begin = ((nint)(Start + offset) + page - 1) / page * page;
        nint end = (nint)(Start + offset + length) / page * page;
        if (OperatingSystem.IsLinux() && !_inMemory && end > begin)
        {
            // Advice: where it is refused, the pages stay, and nothing is lost.
            _ = madvise((void*)begin, (nuint)(end - begin), dontNeed);
        }
    }

    public void Dispose()
    {
        if (_start == null)
        {
            return;
        }

        _start = null;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }

    [DllImport("libc")]
    private static extern int madvise(void* address, nuint length, int advice);
}

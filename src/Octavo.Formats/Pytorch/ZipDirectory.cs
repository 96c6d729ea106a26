using System.Buffers.Binary;
using System.Text;

namespace Octavo.Formats.Pytorch;

/// <summary>
/// Where the entries of a zip archive lie in its file, for archives whose entries are stored as they are: what is
/// mapped needs no unpacking (PKWARE's APPNOTE 6.3.10; the framework's own reader tells no offsets).
/// </summary>
internal sealed unsafe class ZipDirectory
{
    private const uint EntrySignature = 0x02014b50;
    private const uint LocalSignature = 0x04034b50;
    private const uint EndSignature = 0x06054b50;
    private const uint End64Signature = 0x06064b50;
    private const uint Locator64Signature = 0x07064b50;

    private readonly Dictionary<string, (long Offset, long Bytes)> _entries = new(StringComparer.Ordinal);
    private readonly byte* _start;
    private readonly long _length;

    private ZipDirectory(byte* start, long length)
    {
        _start = start;
        _length = length;
    }

    /// <summary>The names of the entries.</summary>
    public IReadOnlyCollection<string> Names => _entries.Keys;

    /// <summary>Reads an archive's directory.</summary>
    /// <exception cref="FormatException">It is damaged, or an entry is compressed.</exception>
    public static ZipDirectory Read(byte* start, long length)
    {
        var directory = new ZipDirectory(start, length);
        directory.ReadEntries();
        return directory;
    }

    /// <summary>Where an entry's bytes lie.</summary>
    public (long Offset, long Bytes) Find(string name) => _entries[name];

    private void ReadEntries()
    {
        long end = FindEnd();
        (long count, long at) = (UInt16(end + 10), UInt32(end + 16));
        if (end >= 20 && UInt32(end - 20) == Locator64Signature)
        {
            long end64 = Int64(end - 12);
            _ = UInt32(end64) == End64Signature ? 0 : throw Damaged();
            (count, at) = (Int64(end64 + 32), Int64(end64 + 48));
        }

        for (; count > 0; count--)
        {
            _ = UInt32(at) == EntrySignature ? 0 : throw Damaged();
            int nameLength = UInt16(at + 28), extraLength = UInt16(at + 30), commentLength = UInt16(at + 32);
            string name = Encoding.UTF8.GetString(Bytes(at + 46, nameLength));
            (long packed, long bytes, long local) = (UInt32(at + 20), UInt32(at + 24), UInt32(at + 42));
            ReadWide(at + 46 + nameLength, extraLength, ref packed, ref bytes, ref local);
            if (UInt16(at + 10) != 0 || packed != bytes)
            {
                throw new FormatException(
                    $"entry {CheckpointException.Shorten(name)} of the archive is compressed; torch.save compresses none");
            }

            _ = UInt32(local) == LocalSignature ? 0 : throw Damaged();
            long data = local + 30 + UInt16(local + 26) + UInt16(local + 28);
            _ = Bytes(data, 0);
            _entries[name] = bytes <= _length - data
                ? (data, bytes)
                : throw new FormatException(
                    $"entry {CheckpointException.Shorten(name)} of the archive goes beyond its end");
            at += 46 + nameLength + extraLength + commentLength;
        }
    }

    /// <summary>Sizes and places beyond 32 bits stand in an extra field, those of them that are.</summary>
    private void ReadWide(long extra, int length, ref long bytesPacked, ref long bytes, ref long local)
    {
        const int Wide = 1;
        const uint Beyond = uint.MaxValue;
        for (long end = extra + length; extra + 4 <= end; extra += 4 + UInt16(extra + 2))
        {
            if (UInt16(extra) != Wide)
            {
                continue;
            }

            long field = extra + 4;
            if (bytes == Beyond)
            {
                (bytes, field) = (Int64(field), field + 8);
            }

            if (bytesPacked == Beyond)
            {
                (bytesPacked, field) = (Int64(field), field + 8);
            }

            if (local == Beyond)
            {
                local = Int64(field);
            }
        }
    }

    /// <summary>The record that ends the archive, behind which only a comment may stand.</summary>
    private long FindEnd()
    {
        const int EndBytes = 22, LongestComment = ushort.MaxValue;
        for (long at = _length - EndBytes; at >= Math.Max(0, _length - EndBytes - LongestComment); at--)
        {
            if (UInt32(at) == EndSignature)
            {
                return at;
            }
        }

        throw new FormatException("the archive has no end; the file may be cut short");
    }

    private int UInt16(long at) => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(at, 2));

    private long UInt32(long at) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(at, 4));

    private long Int64(long at) => BinaryPrimitives.ReadInt64LittleEndian(Bytes(at, 8));

    private ReadOnlySpan<byte> Bytes(long at, int count) => at >= 0 && at <= _length - count
        ? new ReadOnlySpan<byte>(_start + at, count)
        : throw Damaged();

    private static FormatException Damaged() => new("the archive's directory is damaged; the file may be cut short");
}

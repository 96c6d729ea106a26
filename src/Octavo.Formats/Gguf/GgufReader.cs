using System.Buffers.Binary;
using System.Text;

namespace Octavo.Formats.Gguf;

/// <summary>
/// Reads what stands in front of a GGUF file's tensors: numbers are little-endian, texts have their length before them.
/// What it is told that it reads is what its errors name.
/// </summary>
internal sealed class GgufReader(Stream stream)
{
    private const int MaxDepth = 4;

    // A corrupt length must not take memory that the file does not have.
    private readonly long _length = stream.Length;

    /// <summary>Bytes read since the file's beginning.</summary>
    public long Position { get; private set; }

    /// <summary>What is being read, as errors name it.</summary>
    public string Reading { get; set; } = "its header";

    /// <summary>An error about what is being read.</summary>
    public FormatException Error(string problem) => new($"{Reading}: {problem}");

    /// <summary>Bytes, all of them.</summary>
    public void Fill(Span<byte> bytes)
    {
        if (stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
        {
            throw Error("the file is cut short");
        }

        Position += bytes.Length;
    }

    /// <summary>An unsigned number of up to eight bytes.</summary>
    public ulong Number(int bytes)
    {
        Span<byte> number = stackalloc byte[8];
        number.Clear();
        Fill(number[..bytes]);
        return BinaryPrimitives.ReadUInt64LittleEndian(number);
    }

    /// <summary>A text.</summary>
    public string Text()
    {
        byte[] utf8 = new byte[Count(1)];
        Fill(utf8);
        return Encoding.UTF8.GetString(utf8);
    }

    /// <summary>A value of a type that the file names by a number.</summary>
    public object Value() => Value((uint)Number(4), depth: 0);

    /// <summary>A number of things of so many bytes at least; more than the file has left is a corrupt file.</summary>
    public int Count(int bytesEach)
    {
        ulong count = Number(8);
        return count <= (ulong)((_length - Position) / bytesEach) && count <= (ulong)System.Array.MaxLength
            ? (int)count
            : throw Error($"a count of {count}, for which the file is too short: it is cut short or damaged");
    }

    private object Value(uint type, int depth) => type switch
    {
        0 => (long)Number(1),
        1 => (long)(sbyte)Number(1),
        2 => (long)Number(2),
        3 => (long)(short)Number(2),
        4 => (long)Number(4),
        5 => (long)(int)Number(4),
        6 => (double)BitConverter.UInt32BitsToSingle((uint)Number(4)),
        7 => Number(1) != 0,
        8 => Text(),
        9 when depth < MaxDepth => Array(depth),
        10 => unchecked((long)Number(8)),
        11 => (long)Number(8),
        12 => BitConverter.UInt64BitsToDouble(Number(8)),
        _ => throw Error($"a value of the unknown type {type}"),
    };

    private Array Array(int depth)
    {
        uint type = (uint)Number(4);
        int count = Count(type switch
        {
            0 or 1 or 7 => 1,
            2 or 3 => 2,
            4 or 5 or 6 => 4,
            9 => 12,
            _ => 8,
        });
        return type switch
        {
            6 or 12 => Items<double>(type, count, depth),
            7 => Items<bool>(type, count, depth),
            8 => Items<string>(type, count, depth),
            9 => Items<object>(type, count, depth),
            _ => Items<long>(type, count, depth),
        };
    }

    private T[] Items<T>(uint type, int count, int depth)
    {
        T[] items = new T[count];
        for (int i = 0; i < count; i++)
        {
            items[i] = (T)Value(type, depth + 1);
        }

        return items;
    }
}

using System.Buffers.Binary;
using System.Text;

namespace Octavo.Formats.Gguf;

/// <summary>
/// The metadata of a GGUF file: its keys and values, in front of the tensors. Malformed files throw
/// <see cref="FormatException"/>. Layout: <see href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md"/>.
/// </summary>
internal sealed class GgufMetadata
{
    private const int MaxDepth = 4;

    private readonly Dictionary<string, object> _values = new(StringComparer.Ordinal);

    private GgufMetadata()
    {
    }

    /// <summary>Whether a file begins as one.</summary>
    public static bool Recognizes(ReadOnlySpan<byte> file) => file.StartsWith("GGUF"u8);

    /// <summary>Reads what stands at the beginning of a stream that can seek.</summary>
    public static GgufMetadata Read(Stream stream)
    {
        Reader reader = new(stream);
        Span<byte> magic = stackalloc byte[4];
        reader.Fill(magic);
        uint version = (uint)reader.Number(4);
        if (!Recognizes(magic) || version is not (2 or 3))
        {
            throw new FormatException($"version {version}; supported: GGUF of version 2 or 3, little-endian");
        }

        _ = reader.Number(8); // the number of tensors
        GgufMetadata metadata = new();
        for (ulong left = reader.Number(8); left > 0; left--)
        {
            string key = reader.Text();
            metadata._values[key] = reader.Value((uint)reader.Number(4), depth: 0);
        }

        return metadata;
    }

    /// <summary>A text, or null where the key is absent.</summary>
    public string? Text(string key) => Find<string>(key);

    /// <summary>Texts, or null where the key is absent.</summary>
    public string[]? Texts(string key) => Find<string[]>(key);

    /// <summary>True or false, or null where the key is absent.</summary>
    public bool? Bool(string key) => _values.ContainsKey(key) ? (bool)Require<bool>(key) : null;

    /// <summary>An integer of any width, or null where the key is absent.</summary>
    public long? Integer(string key) => _values.GetValueOrDefault(key) switch
    {
        null => null,
        long number => number,
        _ => throw Wrong(key, "an integer"),
    };

    /// <summary>Integers of any width, or null where the key is absent.</summary>
    public long[]? Integers(string key) => Find<long[]>(key);

    /// <summary>Floating-point numbers, or null where the key is absent.</summary>
    public double[]? Numbers(string key) => Find<double[]>(key);

    private object Require<T>(string key) => _values[key] is T and { } value ? value : throw Wrong(key, typeof(T).Name);

    private T? Find<T>(string key)
        where T : class => _values.ContainsKey(key) ? (T)Require<T>(key) : null;

    private static FormatException Wrong(string key, string expected) => new($"{key}: expected {expected}");

    /// <summary>Numbers are little-endian; integers are widened to long, fractions to double.</summary>
    private sealed class Reader(Stream stream)
    {
        private readonly BinaryReader _reader = new(stream, Encoding.UTF8, leaveOpen: true);

        public void Fill(Span<byte> bytes)
        {
            if (_reader.Read(bytes) < bytes.Length)
            {
                throw new FormatException("it is cut short");
            }
        }

        public ulong Number(int bytes)
        {
            Span<byte> number = stackalloc byte[8];
            number.Clear();
            Fill(number[..bytes]);
            return BinaryPrimitives.ReadUInt64LittleEndian(number);
        }

        public string Text()
        {
            byte[] utf8 = new byte[Count(1)];
            Fill(utf8);
            return Encoding.UTF8.GetString(utf8);
        }

        public object Value(uint type, int depth) => type switch
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
            _ => throw new FormatException($"a value is of the unknown type {type}"),
        };

        private Array Array(int depth)
        {
            uint type = (uint)Number(4);
            int count = Count(type is 10 or 11 or 12 or 8 ? 8 : 1);
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

        /// <summary>A length; more than the file has left is a corrupt file.</summary>
        private int Count(int bytesEach)
        {
            ulong count = Number(8);
            long left = stream.Length - stream.Position;
            return count <= (ulong)(left / bytesEach) && count <= (ulong)System.Array.MaxLength
                ? (int)count
                : throw new FormatException("it is cut short");
        }
    }
}

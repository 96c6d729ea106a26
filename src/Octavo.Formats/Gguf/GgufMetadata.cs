namespace Octavo.Formats.Gguf;

/// <summary>
/// The metadata of a GGUF file: its keys and values, in front of the tensors. Malformed files throw
/// <see cref="FormatException"/>. Layout: <see href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md"/>.
/// </summary>
internal sealed class GgufMetadata
{
    private readonly Dictionary<string, object> _values = new(StringComparer.Ordinal);

    private GgufMetadata(ulong tensorCount) => TensorCount = tensorCount;

    /// <summary>How many tensors the file says that it has.</summary>
    public ulong TensorCount { get; }

    /// <summary>Every key and its value: long, double, bool, string, or an array of one of them or of arrays.</summary>
    public IReadOnlyDictionary<string, object> Values => _values;

    /// <summary>Whether a file begins as one.</summary>
    public static bool Recognizes(ReadOnlySpan<byte> file) => file.StartsWith("GGUF"u8);

    /// <summary>Reads what stands at the beginning of a stream that can seek.</summary>
    public static GgufMetadata Read(Stream stream) => Read(new GgufReader(stream));

    /// <summary>Reads what a reader stands before; it stands before the tensors' descriptions afterwards.</summary>
    public static GgufMetadata Read(GgufReader reader)
    {
        Span<byte> magic = stackalloc byte[4];
        reader.Fill(magic);
        if (!Recognizes(magic))
        {
            throw reader.Error("it does not begin with GGUF");
        }

        uint version = (uint)reader.Number(4);
        if (version is not (2 or 3))
        {
            throw reader.Error(
                (version & 0xFFFF) == 0 && version != 0
                    ? "the file is big-endian, which is not supported: take the little-endian file of the same model"
                    : $"version {version} is not supported; supported: 2 and 3");
        }

        GgufMetadata metadata = new(reader.Number(8));
        for (ulong left = reader.Number(8); left > 0; left--)
        {
            reader.Reading = "its metadata";
            string key = reader.Text();
            reader.Reading = key;
            if (!metadata._values.TryAdd(key, reader.Value()))
            {
                throw reader.Error("it stands twice");
            }
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
}

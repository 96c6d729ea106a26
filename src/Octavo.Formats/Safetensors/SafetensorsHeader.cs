using System.Text.Json;
using System.Text.Unicode;

namespace Octavo.Formats;

/// <summary>
/// The JSON header of a safetensors file: <c>{"name": {"dtype", "shape", "data_offsets": [begin, end]}, ...,
/// "__metadata__": {string: string}}</c>. It is read as hostile: nothing is allocated that the header's own length
/// does not pay for, and what comes out lies inside the data, without overlaps or holes.
/// </summary>
internal sealed class SafetensorsHeader
{
    public const string MetadataName = "__metadata__";

    /// <summary>The format's limit, in bytes.</summary>
    public const int MaxLength = 100_000_000;

    private readonly string _file;
    private readonly List<TensorEntry> _tensors = [];
    private readonly HashSet<string> _names = [];
    private Dictionary<string, string>? _metadata;

    private SafetensorsHeader(string file) => _file = file;

    /// <summary>The tensors in the order of their bytes.</summary>
    public IReadOnlyList<TensorEntry> Tensors => _tensors;

    public IReadOnlyDictionary<string, string> Metadata => _metadata ??= [];

    /// <summary>Reads and checks a header that stands before <paramref name="dataLength"/> bytes of data.</summary>
    public static SafetensorsHeader Parse(string file, ReadOnlySpan<byte> json, long dataLength)
    {
        CheckpointException.ThrowIf(
            json.IsEmpty || json[0] != (byte)'{',
            file, "the header does not begin with '{'; this is not a safetensors file");

        CheckpointException.ThrowIf(!Utf8.IsValid(json), file, "the header is not valid UTF-8");

        var header = new SafetensorsHeader(file);
        try
        {
            header.Read(json);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: an escape such as \ud800 that is half a character.
            throw new CheckpointException(file, $"the header is not valid JSON: {e.Message}", e);
        }

        header.CheckCoverage(dataLength);
        return header;
    }

    private void Read(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            CheckpointException.ThrowIf(!_names.Add(name), _file, name, "the header names it twice; names are unique");

            reader.Read();
            if (name == MetadataName)
            {
                ReadMetadata(ref reader);
            }
            else
            {
                _tensors.Add(ReadTensor(ref reader, name));
            }
        }

        reader.Read(); // Throws where anything but white space follows the object.
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        const string Rule = $"{MetadataName} must be an object whose values are strings, each key once";
        CheckpointException.ThrowIf(reader.TokenType != JsonTokenType.StartObject, _file, Rule);

        _metadata = [];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = reader.GetString()!;
            reader.Read();
            CheckpointException.ThrowIf(
                reader.TokenType != JsonTokenType.String || !_metadata.TryAdd(key, reader.GetString()!), _file, Rule);
        }
    }

    private TensorEntry ReadTensor(ref Utf8JsonReader reader, string name)
    {
        CheckpointException.ThrowIf(
            reader.TokenType != JsonTokenType.StartObject,
            _file, name, "must be an object with dtype, shape and data_offsets");

        TensorType? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("dtype"u8))
            {
                type = type is null ? ReadType(ref reader, name) : throw Repeated(name, "dtype");
            }
            else if (reader.ValueTextEquals("shape"u8))
            {
                shape = shape is null ? ReadIntegers(ref reader, name, "shape") : throw Repeated(name, "shape");
            }
            else if (reader.ValueTextEquals("data_offsets"u8))
            {
                offsets = offsets is null
                    ? ReadIntegers(ref reader, name, "data_offsets") : throw Repeated(name, "data_offsets");
            }
            else
            {
                reader.Skip(); // A field of a later version of the format.
            }
        }

        if (type is null || shape is null || offsets is null)
        {
            string missing = type is null ? "dtype" : shape is null ? "shape" : "data_offsets";
            throw new CheckpointException(_file, name, $"has no {missing}; dtype, shape and data_offsets are required");
        }

        return Check(name, type.Value, shape, offsets);
    }

    private CheckpointException Repeated(string tensor, string field) => new(_file, tensor, $"gives {field} twice");

    private TensorType ReadType(ref Utf8JsonReader reader, string tensor)
    {
        reader.Read();
        string? text = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
        return text is not null && TensorTypeExtensions.TryParse(text, out TensorType type)
            ? type
            : throw new CheckpointException(
                _file,
                tensor,
                $"dtype {(text is null ? "is not a string" : $"'{CheckpointException.Shorten(text)}' is unknown")}; "
                + $"known: {TensorTypeExtensions.AllNames}");
    }

    private long[] ReadIntegers(ref Utf8JsonReader reader, string tensor, string field)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw new CheckpointException(_file, tensor, $"{field} must be an array of integers");
        }

        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number) || number < 0)
            {
                throw new CheckpointException(
                    _file, tensor, $"{field} holds something other than an integer from 0 to {long.MaxValue}");
            }

            numbers.Add(number);
        }

        return [.. numbers];
    }

    private TensorEntry Check(string name, TensorType type, long[] shape, long[] offsets)
    {
        if (offsets.Length != 2 || offsets[0] > offsets[1])
        {
            throw new CheckpointException(
                _file, name, $"data_offsets {TensorLayout.Describe(offsets)} must be [begin, end] with begin <= end");
        }

        string? problem = TensorLayout.Measure(type, shape, out long elements, out long bytes);
        if (problem is not null)
        {
            throw new CheckpointException(_file, name, problem);
        }

        if (offsets[1] - offsets[0] != bytes)
        {
            throw new CheckpointException(
                _file,
                name,
                $"data_offsets {TensorLayout.Describe(offsets)} span {offsets[1] - offsets[0]} bytes, "
                + $"but {type.Name()} of shape {TensorLayout.Describe(shape)} takes {bytes}");
        }

        return new TensorEntry(name, type, shape, elements, offsets[0], offsets[1]);
    }

    // The format wants the data indexed entirely: in order of offset, each tensor begins where the one before ended.
    private void CheckCoverage(long dataLength)
    {
        _tensors.Sort((a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)));
        long end = 0;
        foreach (TensorEntry tensor in _tensors)
        {
            if (tensor.End > dataLength)
            {
                throw new CheckpointException(
                    _file,
                    tensor.Name,
                    $"ends at byte {tensor.End} of the data, but the file holds {dataLength}; the file may be "
                        + "truncated");
            }

            if (tensor.Begin != end)
            {
                throw new CheckpointException(
                    _file,
                    tensor.Name,
                    tensor.Begin < end
                        ? $"begins at byte {tensor.Begin} of the data, overlapping the tensor that ends at {end}"
                        : $"begins at byte {tensor.Begin} of the data, leaving a hole after {end}; "
                          + "tensors must follow one another without holes");
            }

            end = tensor.End;
        }

        if (end != dataLength)
        {
            throw new CheckpointException(
                _file,
                $"the tensors end at byte {end} of the data, but the file holds {dataLength}; they must be equal");
        }
    }
}

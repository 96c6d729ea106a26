using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Octavo.Formats.Pytorch;

/// <summary>
/// One file of PyTorch's <c>torch.save</c>, mapped: a zip archive of a pickle and of storages, or, before version 1.6,
/// pickles and storages one behind another (torch's <c>serialization.py</c>).
/// </summary>
internal sealed unsafe class PytorchFile : IDisposable
{
    private const int MostRank = 64;

    // What the older form begins with, as a pickled number.
    private static readonly BigInteger LegacyMagic = BigInteger.Parse(
        "01950a86a20f9469cfc6c", System.Globalization.NumberStyles.HexNumber,
        System.Globalization.CultureInfo.InvariantCulture);

    private readonly MappedFile _file;
    private readonly Dictionary<string, (long Offset, long Bytes)> _storages = new(StringComparer.Ordinal);
    private readonly List<Tensor> _tensors = [];
    private readonly List<TensorSource> _scattered = [];

    private PytorchFile(MappedFile file)
    {
        _file = file;
        try
        {
            object? root = new ReadOnlySpan<byte>(file.Start, 4).SequenceEqual("PK\x03\x04"u8)
                ? ReadArchive()
                : ReadLegacy();
            AddTensors(root);
        }
        catch (FormatException e)
        {
            throw new CheckpointException(file.Path, e.Message, e);
        }
    }

    /// <summary>Its tensors whose elements stand one behind another.</summary>
    public IReadOnlyList<Tensor> Tensors => _tensors;

    /// <summary>The others, which have to be gathered.</summary>
    public IReadOnlyList<TensorSource> Scattered => _scattered;

    /// <summary>Maps a file and reads what it says of its tensors.</summary>
    /// <exception cref="CheckpointException">It is damaged, or holds more than tensors and plain data.</exception>
    public static PytorchFile Open(string path)
    {
        MappedFile file = MappedFile.Open(path, 4, "a file of torch.save");
        try
        {
            file.RequireNoLfsPointer();
            return new PytorchFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private object? ReadArchive()
    {
        const string Pickle = "/data.pkl", ByteOrder = "/byteorder", Data = "/data/";
        ZipDirectory archive = ZipDirectory.Read(_file.Start, _file.Length);
        string pickle = archive.Names.FirstOrDefault(name => name.EndsWith(Pickle, StringComparison.Ordinal))
            ?? throw new FormatException("the archive holds no data.pkl; it is not of torch.save");
        string root = pickle[..^Pickle.Length];
        if (archive.Names.Contains(root + ByteOrder))
        {
            (long at, long length) = archive.Find(root + ByteOrder);
            string order = Encoding.ASCII.GetString(_file.Start + at, (int)Math.Min(length, 16));
            _ = order == "little" ? 0 : throw new FormatException($"its byte order is {order}; supported: little");
        }

        foreach (string name in archive.Names.Where(n => n.StartsWith(root + Data, StringComparison.Ordinal)))
        {
            _storages[name[(root + Data).Length..]] = archive.Find(name);
        }

        (long begin, long bytes) = archive.Find(pickle);
        return new PickleReader(_file.Start, begin + bytes, begin).Read();
    }

    private object? ReadLegacy()
    {
        const long Protocol = 1001;
        object? magic = Next(0, out long position);
        if (magic is not BigInteger number || number != LegacyMagic)
        {
            throw new FormatException("it is no file of torch.save: neither an archive nor its older form");
        }

        object? version = Next(position, out position);
        if (version is not Protocol)
        {
            throw new FormatException($"its version is {version}; supported: {Protocol}");
        }

        if (Next(position, out position) is not Dictionary<object, object?> system
            || system.GetValueOrDefault("little_endian") is not true)
        {
            throw new FormatException("it is big-endian, or does not say; supported: little-endian");
        }

        object? root = Next(position, out position);
        var keys = Next(position, out position) as List<object?>
            ?? throw new FormatException("its storages have no keys");
        Dictionary<string, int> sizes = SizesOf(root);
        foreach (string key in keys.Select(key => key as string ?? throw new FormatException("a storage has no name")))
        {
            if (_file.Length - position < sizeof(long))
            {
                throw new FormatException("it is cut short");
            }

            long elements = BinaryPrimitives.ReadInt64LittleEndian(
                new ReadOnlySpan<byte>(_file.Start + position, sizeof(long)));
            position += sizeof(long);
            int size = sizes.GetValueOrDefault(key, 1);
            if (elements < 0 || elements > (_file.Length - position) / size)
            {
                throw new FormatException($"storage {CheckpointException.Shorten(key)} goes beyond the file's end");
            }

            _storages[key] = (position, elements * size);
            position += elements * size;
        }

        return root;

        object? Next(long from, out long end)
        {
            var reader = new PickleReader(_file.Start, _file.Length, from);
            object? value = reader.Read();
            end = reader.Position;
            return value;
        }
    }

    private static Dictionary<string, int> SizesOf(object? root)
    {
        Dictionary<string, int> sizes = new(StringComparer.Ordinal);
        foreach ((_, TorchTensor tensor) in TensorsOf(root))
        {
            sizes[tensor.Storage.Key] = (tensor.Storage.Type ?? TensorType.UInt8).BlockBytes();
        }

        return sizes;
    }

    private static IEnumerable<(string Name, TorchTensor Tensor)> TensorsOf(object? root)
    {
        // Training scripts put the weights into a dict of several things.
        object? found = root is Dictionary<object, object?> dict
            ? new[] { "state_dict", "model_state_dict", "model", "module" }
                .Select(name => dict.GetValueOrDefault(name)).OfType<Dictionary<object, object?>>()
                .FirstOrDefault(inner => inner.Values.Any(value => value is TorchTensor)) ?? dict
            : root;
        if (found is not Dictionary<object, object?> weights)
        {
            throw new FormatException("it holds no dict of tensors");
        }

        foreach ((object name, object? value) in weights)
        {
            if (value is TorchTensor tensor)
            {
                yield return (name as string ?? throw new FormatException("a tensor has no name"), tensor);
            }
        }
    }

    private void AddTensors(object? root)
    {
        foreach ((string name, TorchTensor tensor) in TensorsOf(root))
        {
            (long offset, long bytes) = _storages.TryGetValue(tensor.Storage.Key, out (long, long) at)
                ? at
                : throw new CheckpointException(_file.Path, name, "its storage is not in the file");
            string? problem = TensorLayout.Measure(tensor.Type, tensor.Shape, out long elements, out _);
            problem = tensor.Shape.Length > MostRank ? "it has too many dimensions" : problem;
            CheckpointException.ThrowIf(problem is not null, _file.Path, name, problem!);
            int size = tensor.Type.BlockBytes();
            long last = elements == 0 ? 0 : LastElement(tensor);
            if (last < 0 || (elements > 0 && last >= bytes / size))
            {
                throw new CheckpointException(_file.Path, name, "it goes beyond its storage's end");
            }

            if (tensor.IsContiguous || elements == 0)
            {
                long begin = offset + (tensor.Offset * size);
                _tensors.Add(new Tensor(_file, 0, new TensorEntry(
                    name, tensor.Type, tensor.Shape, elements, begin, begin + (elements * size))));
            }
            else
            {
                _scattered.Add(new TensorSource(
                    name, tensor.Type, tensor.Shape, stream => Gather(tensor, offset, size, stream)));
            }
        }
    }

    /// <summary>The place of the last element in the storage; −1 where it is beyond all.</summary>
    private static long LastElement(TorchTensor tensor)
    {
        Int128 last = tensor.Offset;
        for (int i = 0; i < tensor.Shape.Length; i++)
        {
            last += (Int128)(tensor.Shape[i] - 1) * tensor.Strides[i];
        }

        return last <= long.MaxValue ? (long)last : -1;
    }

    private void Gather(TorchTensor tensor, long storage, int size, Stream stream)
    {
        long[] index = new long[tensor.Shape.Length];
        while (true)
        {
            long at = tensor.Offset + index.Zip(tensor.Strides, (i, stride) => i * stride).Sum();
            stream.Write(new ReadOnlySpan<byte>(_file.Start + storage + (at * size), size));
            int dimension = index.Length - 1;
            while (dimension >= 0 && ++index[dimension] == tensor.Shape[dimension])
            {
                index[dimension--] = 0;
            }

            if (dimension < 0)
            {
                return;
            }
        }
    }
}

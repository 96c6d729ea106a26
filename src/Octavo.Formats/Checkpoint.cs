using System.Diagnostics.CodeAnalysis;
using Octavo.Formats.Gguf;
using Octavo.Formats.Pytorch;
using Octavo.Formats.Stored;

namespace Octavo.Formats;

/// <summary>
/// The tensors of a model, mapped from a safetensors, GGUF or PyTorch file, or from several that are its parts, or made
/// in memory.
/// Reading is safe from many threads; disposing is not safe while anyone reads.
/// </summary>
internal sealed class Checkpoint : ITensorSet, IDisposable
{
    private const string SingleFileName = "model.safetensors";
    private const string PytorchFileName = "pytorch_model.bin";
    private const string PytorchIndexName = "pytorch_model.bin.index.json";

    private readonly string _path;
    private readonly List<(string Path, IDisposable Mapping)> _files = [];
    private readonly Dictionary<string, Tensor> _tensors = [];
    private readonly List<string> _notes = [];
    private readonly List<MappedFile> _memory = [];
    private volatile bool _disposed;

    private Checkpoint(string path) => _path = path;

    /// <summary>The file or directory, or what the checkpoint was called where it was made in memory.</summary>
    public string Path => _path;

    /// <summary>Every tensor by its name.</summary>
    public IReadOnlyDictionary<string, Tensor> Tensors => _tensors;

    /// <summary>The paths of the files that are mapped; none where the tensors were made in memory.</summary>
    public IReadOnlyList<string> Files => [.. _files.Select(file => file.Path)];

    /// <summary>The size of all tensors, in bytes.</summary>
    public long TotalBytes { get; private set; }

    /// <summary>Which files, or tensors of them, are not read, in words; usually nothing.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>How the model's directory says that its weights are quantized, or null.</summary>
    public QuantizationConfig? Quantization { get; internal init; }

    /// <summary>How weights are quantized, in words; null where all are numbers.</summary>
    public string? StoredQuantization
    {
        get
        {
            string[] blocks = [.. _tensors.Values.Where(tensor => tensor.Type.HasBlocks())
                .GroupBy(tensor => tensor.Type)
                .OrderByDescending(tensors => tensors.Sum(tensor => tensor.ByteLength))
                .Select(tensors => tensors.Key.Name())];
            return Quantization is not null ? $"{Quantization.Method}: {Quantization.Summary}"
                : blocks.Length > 0 ? $"gguf: {string.Join(", ", blocks)}"
                : null;
        }
    }

    /// <summary>
    /// Opens a <c>.safetensors</c>, GGUF or PyTorch file, or of a directory: the shards that
    /// <c>model.safetensors.index.json</c> names, else <c>model.safetensors</c>, else every <c>.safetensors</c> file,
    /// else what <c>torch.save</c> wrote: <c>pytorch_model.bin</c>, or the shards of its index.
    /// </summary>
    /// <exception cref="CheckpointException">There is no checkpoint, or it breaks a rule of the format.</exception>
    public static Checkpoint Open(string path) => Open(path, null);

    internal static Checkpoint Open(string path, QuantizationConfig? quantization)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var checkpoint = new Checkpoint(path) { Quantization = quantization };
        try
        {
            checkpoint.AddAll();
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>Makes a checkpoint in memory, for models that are in no file.</summary>
    /// <param name="name">What errors call it, in place of a path.</param>
    /// <param name="tensors">Its tensors, at least one byte of them; each is written once, now.</param>
    /// <exception cref="CheckpointException">Two tensors have the same name.</exception>
    public static Checkpoint InMemory(string name, IReadOnlyCollection<TensorSource> tensors)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        var checkpoint = new Checkpoint(name);
        try
        {
            checkpoint.AddMade(tensors);
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>The tensor of a name.</summary>
    /// <exception cref="CheckpointException">There is none.</exception>
    public Tensor Get(string name) =>
        TryGet(name, out Tensor? tensor)
            ? tensor
            : throw new CheckpointException(_path, name, $"is not among the checkpoint's {_tensors.Count} tensors");

    /// <summary>Finds the tensor of a name.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out Tensor? tensor)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _tensors.TryGetValue(name, out tensor);
    }

    /// <summary>Whether there is a tensor of this name.</summary>
    public bool Contains(string name) => TryGet(name, out _);

    /// <summary>The quantized matrix that stands in place of a weight, or null where it is stored as numbers.</summary>
    /// <param name="weight">The weight's name, such as <c>model.layers.0.mlp.down_proj.weight</c>.</param>
    /// <exception cref="CheckpointException">Its tensors are not what the configuration says.</exception>
    /// <exception cref="UnsupportedModelException">It is stored in a way that is not supported.</exception>
    public QuantizedMatrix? FindQuantized(string weight)
    {
        const string Suffix = ".weight";
        ObjectDisposedException.ThrowIf(_disposed, this);
        return Quantization is not null && weight.EndsWith(Suffix, StringComparison.Ordinal)
            ? Quantization.Find(this, weight[..^Suffix.Length])
            : null;
    }

    /// <summary>Unmaps all files; the tensors may not be read any more.</summary>
    public void Dispose()
    {
        _disposed = true;
        foreach ((_, IDisposable mapping) in _files)
        {
            mapping.Dispose();
        }

        _memory.ForEach(memory => memory.Dispose());
    }

    private unsafe void AddMade(IReadOnlyCollection<TensorSource> sources)
    {
        const int Alignment = 64;   // a cache line
        MappedFile memory = MappedFile.InMemory(_path, sources.Sum(source => Align(source.ByteLength)));
        _memory.Add(memory);
        long begin = 0;
        foreach (TensorSource source in sources)
        {
            using var stream = new UnmanagedMemoryStream(memory.Start + begin, 0, source.ByteLength, FileAccess.Write);
            source.WriteTo(stream);
            var entry = new TensorEntry(
                source.Name, source.Type, [.. source.Shape], source.Shape.Aggregate(1L, (a, b) => a * b), begin,
                begin + source.ByteLength);
            Add(_path, new Tensor(memory, 0, entry));
            begin += Align(source.ByteLength);
        }

        static long Align(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;
    }

    private void AddAll()
    {
        if (GgufFile.Recognizes(_path))
        {
            AddGguf();
            return;
        }

        if (!Directory.Exists(_path))
        {
            CheckpointException.ThrowIf(!File.Exists(_path), _path, "there is no such file or directory");

            if (_path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
            {
                Add(_path);
            }
            else
            {
                AddPytorch(_path);
            }

            return;
        }

        string single = System.IO.Path.Combine(_path, SingleFileName);
        string index = System.IO.Path.Combine(_path, ShardIndex.FileName);
        if (File.Exists(index) && TryAddIndexed(index, orElse: File.Exists(single)))
        {
            if (File.Exists(single) && !_files.Exists(file => file.Path == single))
            {
                _notes.Add($"{SingleFileName} is not read: {ShardIndex.FileName} beside it names other files");
            }
        }
        else if (File.Exists(single))
        {
            Add(single);
        }
        else
        {
            AddLoose();
        }
    }

    /// <summary>Adds the files of an index, of each what the index says is in it.</summary>
    /// <param name="index">The index's path.</param>
    /// <param name="orElse">Whether there are weights beside it: then one none of whose files is there was left
    /// behind.</param>
    private bool TryAddIndexed(string index, bool orElse)
    {
        IReadOnlyDictionary<string, string> fileOfTensor = ShardIndex.Read(index);
        string[] names = [.. fileOfTensor.Values.Distinct().Order(StringComparer.Ordinal)];
        if (orElse && !Array.Exists(names, name => File.Exists(System.IO.Path.Combine(_path, name))))
        {
            _notes.Add($"{ShardIndex.FileName} is not used: none of the {names.Length} files that it names is here, "
                + $"{SingleFileName} is");
            return false;
        }

        foreach (string name in names)
        {
            string path = System.IO.Path.Combine(_path, name);
            if (!File.Exists(path))
            {
                throw new CheckpointException(index, $"weight_map names '{name}', which is not in the directory");
            }

            Add(path, tensor => !fileOfTensor.TryGetValue(tensor, out string? owner) || owner == name);
        }

        foreach ((string tensor, string file) in fileOfTensor)
        {
            if (!TryGet(tensor, out Tensor? found) || System.IO.Path.GetFileName(found.File) != file)
            {
                throw new CheckpointException(
                    index, tensor, $"weight_map says that it is in '{file}', but that file does not hold it");
            }
        }

        return true;
    }

    /// <summary>What <c>torch.save</c> wrote, where a directory has no safetensors.</summary>
    private bool TryAddPytorch()
    {
        string index = System.IO.Path.Combine(_path, PytorchIndexName);
        string single = System.IO.Path.Combine(_path, PytorchFileName);
        string[] names = File.Exists(index)
            ? [.. ShardIndex.Read(index, ".bin").Values.Distinct().Order(StringComparer.Ordinal)]
            : File.Exists(single) ? [PytorchFileName]
            : [.. Directory.GetFiles(_path, "pytorch_model-*.bin").Select(System.IO.Path.GetFileName)
                .OfType<string>().Order(StringComparer.Ordinal)];
        foreach (string name in names)
        {
            AddPytorch(System.IO.Path.Combine(_path, name));
        }

        return names.Length > 0;
    }

    private void AddPytorch(string path)
    {
        PytorchFile file = PytorchFile.Open(path);
        _files.Add((path, file));
        foreach (Tensor tensor in file.Tensors)
        {
            Add(path, tensor);
        }

        if (file.Scattered.Count > 0)
        {
            AddMade(file.Scattered);
        }

        CheckpointException.ThrowIf(file.Tensors.Count + file.Scattered.Count == 0, path, "holds no tensors");
    }

    private void AddGguf()
    {
        IReadOnlyList<GgufFile> parts = GgufFile.OpenParts(_path);
        _files.AddRange(parts.Select(part => (part.Path, (IDisposable)part)));
        foreach (Tensor tensor in parts.SelectMany(part => part.Tensors))
        {
            Add(tensor.File, tensor);
        }

        CheckpointException.ThrowIf(_tensors.Count == 0, _path, "holds no tensors; it is a vocabulary alone");
    }

    private void AddLoose()
    {
        string[] paths = Directory.GetFiles(_path, "*.safetensors");
        Array.Sort(paths, StringComparer.Ordinal);
        foreach (string path in paths)
        {
            Add(path);
        }

        if (paths.Length == 0 && !TryAddPytorch())
        {
            throw new CheckpointException(
                _path,
                $"holds no checkpoint; expected {SingleFileName}, or {ShardIndex.FileName} and its files"
                + (ModelAdvice.AboutDirectory(_path) is { } advice ? "; " + advice : string.Empty));
        }
    }

    private void Add(string path, Func<string, bool>? counts = null)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        _files.Add((path, file));
        int copies = 0;
        foreach (Tensor tensor in file.Tensors)
        {
            if (counts is null || counts(tensor.Name))
            {
                Add(path, tensor);
            }
            else
            {
                copies++;
            }
        }

        if (copies > 0)
        {
            _notes.Add($"{System.IO.Path.GetFileName(path)}: {copies} of its tensors are read from other files, as "
                + $"{ShardIndex.FileName} says");
        }
    }

    private void Add(string path, Tensor tensor)
    {
        if (!_tensors.TryAdd(tensor.Name, tensor))
        {
            throw new CheckpointException(
                path, tensor.Name, $"is also in '{_tensors[tensor.Name].File}'; one file may hold it");
        }

        TotalBytes += tensor.ByteLength;
    }
}

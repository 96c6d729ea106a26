using System.Globalization;
using System.Text.RegularExpressions;

namespace Octavo.Formats.Gguf;

/// <summary>
/// One GGUF file, mapped: metadata, descriptions of the tensors, and behind them, from an aligned place on, their data
/// (<see href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md"/>). Opening reads and checks all but these.
/// </summary>
internal sealed partial class GgufFile : IDisposable
{
    private const int MaxDimensions = 4;
    private const int UsualAlignment = 32;
    private const int Patience = 1000;      // ms; the expression cannot take long

    private readonly MappedFile _file;

    private GgufFile(MappedFile file)
    {
        _file = file;
        try
        {
            using FileStream stream = File.OpenRead(file.Path);
            var reader = new GgufReader(stream);
            Metadata = GgufMetadata.Read(reader);
            Tensors = ReadTensors(reader);
        }
        catch (FormatException e)
        {
            throw new CheckpointException(file.Path, e.Message, e);
        }
    }

    /// <summary>The file's path.</summary>
    public string Path => _file.Path;

    /// <summary>Its keys and values.</summary>
    public GgufMetadata Metadata { get; }

    /// <summary>Its tensors, in the order in which it describes them.</summary>
    public IReadOnlyList<Tensor> Tensors { get; }

    /// <summary>Whether a path names a GGUF file: by its name, or by what it begins with.</summary>
    public static bool Recognizes(string path)
    {
        if (!File.Exists(path))
        {
            return false;
        }

        Span<byte> magic = stackalloc byte[4];
        using FileStream file = File.OpenRead(path);
        return path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase)
            || GgufMetadata.Recognizes(magic[..file.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false)]);
    }

    /// <summary>Maps a file and checks what stands before its data.</summary>
    /// <exception cref="CheckpointException">The file cannot be read or breaks a rule of the format.</exception>
    public static GgufFile Open(string path)
    {
        const int Header = 24;
        MappedFile file = MappedFile.Open(path, Header, "a GGUF header");
        try
        {
            file.RequireNoLfsPointer();
            return new GgufFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The file that a model begins with: where a name ends as a part's does (<c>-00002-of-00003.gguf</c>), the first.
    /// </summary>
    public static string FirstPart(string path) => PartName().Match(path) is { Success: true } name
        ? NameOfPart(name, 0)
        : path;

    /// <summary>Opens the parts of a model, of most models one, the first one first.</summary>
    /// <exception cref="CheckpointException">A part is missing, is another model's, or breaks a rule.</exception>
    public static IReadOnlyList<GgufFile> OpenParts(string path)
    {
        Match name = PartName().Match(path);
        int count = name.Success ? int.Parse(name.Groups["count"].Value, CultureInfo.InvariantCulture) : 1;
        List<GgufFile> parts = [];
        try
        {
            for (int i = 0; i < Math.Max(1, count); i++)
            {
                string part = name.Success ? NameOfPart(name, i) : path;
                CheckpointException.ThrowIf(
                    name.Success && !File.Exists(part), part,
                    $"there is no such file; the model's {count} parts must lie together");
                parts.Add(Open(part));
                RequirePart(parts[i], i, count);
            }

            return parts;
        }
        catch
        {
            parts.ForEach(part => part.Dispose());
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static string NameOfPart(Match name, int number) => string.Create(
        CultureInfo.InvariantCulture,
        $"{name.Groups["stem"]}-{number + 1:00000}-of-{name.Groups["count"]}.gguf");

    private static void RequirePart(GgufFile file, int number, int count)
    {
        long ofFile = file.Metadata.Integer("split.count") ?? 1, itsNumber = file.Metadata.Integer("split.no") ?? 0;
        CheckpointException.ThrowIf(
            Math.Max(1, ofFile) != count || itsNumber != number,
            file.Path,
            $"split.no and split.count say that it is part {itsNumber + 1} of {ofFile}, its name that it is part "
                + $"{number + 1} of {count}; parts keep the names that they were written with");
    }

    private List<Tensor> ReadTensors(GgufReader reader)
    {
        const int LeastDescription = 8 + 4 + 8 + 4 + 8;
        reader.Reading = "its header";
        if (Metadata.TensorCount > (ulong)((_file.Length - reader.Position) / LeastDescription))
        {
            throw reader.Error($"it counts {Metadata.TensorCount} tensors, for which the file is too short");
        }

        List<(string Name, TensorType Type, long[] Shape, long Offset)> descriptions = [];
        for (ulong left = Metadata.TensorCount; left > 0; left--)
        {
            reader.Reading = "its tensors";
            string name = reader.Text();
            reader.Reading = $"tensor '{CheckpointException.Shorten(name)}'";
            descriptions.Add((name, Shape(reader, out long[] shape), shape, Offset(reader)));
        }

        long alignment = Alignment(reader);
        long dataStart = (reader.Position + alignment - 1) / alignment * alignment;
        List<Tensor> tensors = [];
        foreach ((string name, TensorType type, long[] shape, long offset) in descriptions)
        {
            tensors.Add(Locate(name, type, shape, offset, dataStart, alignment));
        }

        return tensors;
    }

    /// <summary>A tensor's shape, which the file gives innermost dimension first, and the type behind it.</summary>
    private static TensorType Shape(GgufReader reader, out long[] shape)
    {
        uint dimensions = (uint)reader.Number(4);
        if (dimensions > MaxDimensions)
        {
            throw reader.Error($"it has {dimensions} dimensions; a tensor has at most {MaxDimensions}");
        }

        shape = new long[dimensions];
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            shape[i] = unchecked((long)reader.Number(8));
        }

        uint number = (uint)reader.Number(4);
        return TensorTypeExtensions.TryOfGguf(number, out TensorType type)
            ? type
            : throw reader.Error($"its type, {number}, is not known");
    }

    private static long Offset(GgufReader reader)
    {
        ulong offset = reader.Number(8);
        return offset <= long.MaxValue ? (long)offset : throw reader.Error($"its offset, {offset}, is beyond the file");
    }

    private long Alignment(GgufReader reader)
    {
        reader.Reading = "general.alignment";
        long alignment = Metadata.Integer(reader.Reading) ?? UsualAlignment;
        return alignment is > 0 and <= int.MaxValue && long.IsPow2(alignment)
            ? alignment
            : throw reader.Error($"it is {alignment}; it must be a power of two");
    }

    private Tensor Locate(
        string name, TensorType type, long[] shape, long offset, long dataStart, long alignment)
    {
        string? problem = TensorLayout.Measure(type, shape, out long elements, out long bytes);
        long left = _file.Length - dataStart;
        problem ??= shape.Length > 0 && shape[^1] % type.BlockElements() != 0
                ? $"rows of {shape[^1]} elements are not whole blocks of {type.BlockElements()}, as {type.Name()} has"
            : offset % alignment != 0 ? $"its offset, {offset}, is no multiple of the alignment, {alignment}"
            : offset > left || bytes > left - offset
                ? $"its {bytes} bytes from {offset} on go beyond the file's end; the file may be cut short"
            : null;
        return problem is null
            ? new Tensor(_file, dataStart, new TensorEntry(name, type, shape, elements, offset, offset + bytes))
            : throw new CheckpointException(_file.Path, name, problem);
    }

    [GeneratedRegex(
        @"\A(?<stem>.*)-(?<number>[0-9]{5})-of-(?<count>[0-9]{5})\.gguf\z",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.Singleline,
        Patience)]
    private static partial Regex PartName();
}

using System.Text.Json;
using Octavo.Formats.Gguf;
using Octavo.Formats.Stored;

namespace Octavo.Formats;

/// <summary>
/// Where a model comes from: its configuration, tensors, generation defaults, and the parts that others read, such as a
/// tokenizer's. That is a directory in Hugging Face's layout, or a GGUF file.
/// </summary>
internal abstract class ModelSource
{
    private const int MaxConfigBytes = 16 << 20;

    /// <summary>The directory or file.</summary>
    public abstract string Path { get; }

    /// <summary>The object in <c>config.json</c>, or, of a GGUF file, its metadata.</summary>
    public abstract ConfigReader Config { get; }

    /// <summary>What <c>generation_config.json</c>, or its like, sets.</summary>
    public abstract GenerationDefaults Generation { get; }

    /// <summary>A GGUF file's metadata, which hold the tokenizer, too; null where it is none.</summary>
    public virtual GgufMetadata? Gguf => null;

    /// <summary>
    /// Opens a model: a directory, a GGUF file (of several parts any one), or a directory that holds one model in GGUF.
    /// </summary>
    /// <exception cref="CheckpointException">A file is missing or holds nonsense.</exception>
    /// <exception cref="ArgumentException">The path is null or empty.</exception>
    public static ModelSource Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (GgufFile.Recognizes(path))
        {
            return new GgufSource(path);
        }

        if (!Directory.Exists(path))
        {
            throw new CheckpointException(
                path, (File.Exists(path) ? "is a file; expected a model's directory or a GGUF file"
                    : "there is no such directory or file") + Advice(path));
        }

        return !HuggingFaceSource.IsOne(path) && GgufSource.FindIn(path) is { } file
            ? new GgufSource(file)
            : new HuggingFaceSource(path, Advice(path));
    }

    /// <summary>Whether it holds a part, such as <c>tokenizer.json</c>.</summary>
    public abstract bool Has(string part);

    /// <summary>What messages call a part.</summary>
    public abstract string NameOf(string part);

    /// <summary>A part's bytes; null where it is not there.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public abstract byte[]? Read(string part);

    /// <summary>Maps the tensors; the caller disposes.</summary>
    /// <exception cref="CheckpointException">There are none, or they break a rule of the format.</exception>
    /// <exception cref="UnsupportedModelException">They are quantized in a way that is not supported.</exception>
    public abstract Checkpoint OpenCheckpoint();

    /// <summary>Reads a configuration that stands by itself.</summary>
    /// <exception cref="CheckpointException">It is no JSON object.</exception>
    public static ConfigReader ReadConfig(string file) =>
        new(file, JsonFile.ReadObject(file, MaxConfigBytes, allowDuplicates: true));

    private static string Advice(string path) => ModelAdvice.About(path) is { } advice ? "; " + advice : string.Empty;
}

/// <summary>A directory in Hugging Face's layout.</summary>
internal sealed class HuggingFaceSource : ModelSource
{
    private const string ConfigPart = "config.json";
    private const string GenerationPart = "generation_config.json";

    /// <summary>Opens a directory.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="advice">What to say where it holds no model.</param>
    public HuggingFaceSource(string path, string advice)
    {
        Path = path;
        if (!Has(ConfigPart))
        {
            throw new CheckpointException(
                NameOf(ConfigPart), "there is no such file; a model's directory must hold it" + advice);
        }

        Config = ReadConfig(NameOf(ConfigPart));
        Generation = Has(GenerationPart)
            ? GenerationDefaults.Read(ReadConfig(NameOf(GenerationPart)))
            : new GenerationDefaults();
    }

    /// <inheritdoc/>
    public override string Path { get; }

    /// <inheritdoc/>
    public override ConfigReader Config { get; }

    /// <inheritdoc/>
    public override GenerationDefaults Generation { get; }

    /// <summary>Whether a directory is a model's.</summary>
    public static bool IsOne(string directory) => File.Exists(System.IO.Path.Combine(directory, ConfigPart));

    /// <inheritdoc/>
    public override bool Has(string part) => File.Exists(NameOf(part));

    /// <inheritdoc/>
    public override string NameOf(string part) => System.IO.Path.Combine(Path, part);

    /// <inheritdoc/>
    public override byte[]? Read(string part) => Has(part) ? File.ReadAllBytes(NameOf(part)) : null;

    /// <inheritdoc/>
    public override Checkpoint OpenCheckpoint() => Checkpoint.Open(Path, QuantizationConfig.Read(Config, Path));
}

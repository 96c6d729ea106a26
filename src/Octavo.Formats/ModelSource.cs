using System.Text.Json;
using Octavo.Formats.Stored;

namespace Octavo.Formats;

/// <summary>
/// Where a model comes from: its configuration, tensors, generation defaults, and the parts that others read, such as a
/// tokenizer's. Today that is a directory in Hugging Face's layout.
/// </summary>
internal sealed class ModelSource
{
    private const string ConfigPart = "config.json";
    private const string GenerationPart = "generation_config.json";
    private const int MaxConfigBytes = 16 << 20;

    private ModelSource(string path)
    {
        if (!Directory.Exists(path))
        {
            throw new CheckpointException(
                path, (File.Exists(path) ? "is a file; expected a model's directory" : "there is no such directory")
                    + Advice(path));
        }

        Path = path;
        if (!Has(ConfigPart))
        {
            throw new CheckpointException(
                NameOf(ConfigPart), "there is no such file; a model's directory must hold it" + Advice(path));
        }

        Config = ReadObject(ConfigPart);
        Generation = Has(GenerationPart)
            ? GenerationDefaults.Read(ReadObject(GenerationPart))
            : new GenerationDefaults();
    }

    /// <summary>The directory.</summary>
    public string Path { get; }

    /// <summary>The object in <c>config.json</c>.</summary>
    public ConfigReader Config { get; }

    /// <summary>What <c>generation_config.json</c> sets.</summary>
    public GenerationDefaults Generation { get; }

    /// <summary>Opens a model's directory.</summary>
    /// <exception cref="CheckpointException">A file is missing or holds nonsense.</exception>
    /// <exception cref="ArgumentException">The path is null or empty.</exception>
    public static ModelSource Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new ModelSource(path);
    }

    /// <summary>Whether it holds a part, such as <c>tokenizer.json</c>.</summary>
    public bool Has(string part) => File.Exists(NameOf(part));

    /// <summary>What messages call a part.</summary>
    public string NameOf(string part) => System.IO.Path.Combine(Path, part);

    /// <summary>A part's bytes; null where it is not there.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public byte[]? Read(string part) => Has(part) ? File.ReadAllBytes(NameOf(part)) : null;

    /// <summary>Maps the tensors; the caller disposes.</summary>
    /// <exception cref="CheckpointException">There are none, or they break a rule of the format.</exception>
    /// <exception cref="UnsupportedModelException">They are quantized in a way that is not supported.</exception>
    public Checkpoint OpenCheckpoint() => Checkpoint.Open(Path, QuantizationConfig.Read(Config, Path));

    private static string Advice(string path) => ModelAdvice.About(path) is { } advice ? "; " + advice : string.Empty;

    /// <summary>Reads a configuration that stands by itself.</summary>
    /// <exception cref="CheckpointException">It is no JSON object.</exception>
    public static ConfigReader ReadConfig(string file) =>
        new(file, JsonFile.ReadObject(file, MaxConfigBytes, allowDuplicates: true));

    private ConfigReader ReadObject(string part) => ReadConfig(NameOf(part));
}

using System.Text.Json;
using Octavo.Formats.Stored;

namespace Octavo.Formats;

/// <summary>
/// A model in Hugging Face's layout: <c>config.json</c>, safetensors files, and what may stand beside them.
/// </summary>
internal sealed class ModelDirectory
{
    private const int MaxConfigBytes = 16 << 20;

    private ModelDirectory(string path)
    {
        if (!Directory.Exists(path))
        {
            throw new CheckpointException(
                path, (File.Exists(path) ? "is a file; expected a model's directory" : "there is no such directory")
                    + Advice(path));
        }

        Path = path;
        ConfigPath = System.IO.Path.Combine(path, "config.json");
        if (!File.Exists(ConfigPath))
        {
            throw new CheckpointException(
                ConfigPath, "there is no such file; a model's directory must hold it" + Advice(path));
        }

        Config = JsonFile.ReadObject(ConfigPath, MaxConfigBytes, allowDuplicates: true);
        Generation = new GenerationDefaults();
        if (Find("generation_config.json") is { } generationPath)
        {
            GenerationConfig = JsonFile.ReadObject(generationPath, MaxConfigBytes, allowDuplicates: true);
            Generation = GenerationDefaults.Read(new ConfigReader(generationPath, GenerationConfig.Value));
        }

        TokenizerPath = Find("tokenizer.json");
        TokenizerConfigPath = Find("tokenizer_config.json");
        ChatTemplatePath = Find("chat_template.jinja");
    }

    /// <summary>The directory.</summary>
    public string Path { get; }

    /// <summary>The path of <c>config.json</c>.</summary>
    public string ConfigPath { get; }

    /// <summary>The object in <c>config.json</c>.</summary>
    public JsonElement Config { get; }

    /// <summary>The object in <c>generation_config.json</c>, or null where there is no such file.</summary>
    public JsonElement? GenerationConfig { get; }

    /// <summary>What <c>generation_config.json</c> sets.</summary>
    public GenerationDefaults Generation { get; }

    /// <summary>The path of <c>tokenizer.json</c>, or null.</summary>
    public string? TokenizerPath { get; }

    /// <summary>The path of <c>tokenizer_config.json</c>, or null.</summary>
    public string? TokenizerConfigPath { get; }

    /// <summary>
    /// The path of <c>chat_template.jinja</c>, or null; a template may also stand in the tokenizer's config.
    /// </summary>
    public string? ChatTemplatePath { get; }

    /// <summary>Whether there is a <c>tokenizer.json</c>.</summary>
    public bool HasTokenizer => TokenizerPath is not null;

    /// <summary>Reads the configuration files of a directory.</summary>
    /// <exception cref="CheckpointException">A file is missing or holds nonsense.</exception>
    /// <exception cref="ArgumentException">The path is null or empty.</exception>
    public static ModelDirectory Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new ModelDirectory(path);
    }

    /// <summary>Maps the directory's tensors; the caller disposes.</summary>
    /// <exception cref="CheckpointException">There are none, or they break a rule of the format.</exception>
    /// <exception cref="UnsupportedModelException">They are quantized in a way that is not supported.</exception>
    public Checkpoint OpenCheckpoint() =>
        Checkpoint.Open(Path, QuantizationConfig.Read(new ConfigReader(ConfigPath, Config), Path));

    private static string Advice(string path) => ModelAdvice.About(path) is { } advice ? "; " + advice : string.Empty;

    private string? Find(string name)
    {
        string path = System.IO.Path.Combine(Path, name);
        return File.Exists(path) ? path : null;
    }
}

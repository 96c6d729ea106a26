using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Quantization.Writing;

/// <summary>
/// A directory that appears under its name only when it is complete. Until then its files stand beside it in
/// <c>NAME.partial</c>, one for each layer, from which a later run goes on.
/// </summary>
internal sealed class OutputDirectory
{
    private const string RecipeFile = "octavo-quantize.txt";
    private static readonly JsonWriterOptions JsonOptions =
        new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // What a loader needs beside weights and config.
    private static readonly string[] Companions =
        [
            "tokenizer*", "tekken.json", "vocab*", "merges*", "special_tokens_map.json", "added_tokens.json",
            "generation_config.json", "chat_template*", "*.model", "LICENSE*", "NOTICE*", "SOURCES*"
        ];

    // chat templates beside the default one, each a file of its own
    private const string TemplateFolder = "additional_chat_templates";

    private readonly string _path;
    private readonly int _layers;

    /// <summary>
    /// Begins, or goes on where a run with the same fingerprint stopped; other leftovers are removed.
    /// </summary>
    /// <exception cref="QuantizationException">The directory is there already.</exception>
    public OutputDirectory(string path, int layers, string fingerprint)
    {
        (_path, _layers) = (Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)), layers);
        RequireNew(_path);
        Partial = _path + ".partial";
        string hash = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(fingerprint)));
        string recipe = Path.Combine(Partial, RecipeFile);
        if (Directory.Exists(Partial) && !(File.Exists(recipe) && File.ReadAllText(recipe) == hash))
        {
            RemoveLeftovers(recipe);
        }

        if (!Directory.Exists(Partial))
        {
            Directory.CreateDirectory(Partial);
            File.WriteAllText(recipe, hash);
        }

        while (LayersDone < layers && File.Exists(Shard(LayersDone)))
        {
            LayersDone++;
        }
    }

    /// <summary>Where files are until all are there.</summary>
    public string Partial { get; }

    /// <summary>Layers that an earlier run has written.</summary>
    public int LayersDone { get; }

    /// <summary>Complains where a directory, or anything else, has the name.</summary>
    /// <exception cref="QuantizationException">It has.</exception>
    public static void RequireNew(string path)
    {
        QuantizationException.ThrowIf(
            Path.Exists(path), $"{path} is there already, and is left as it is: remove it, or name another output");
    }

    /// <summary>Writes a layer's file.</summary>
    public void WriteLayer(int layer, IEnumerable<TensorSource> tensors) =>
        SafetensorsWriter.Write(Shard(layer), tensors, Metadata);

    /// <summary>Writes <c>config.json</c>: the model's, with the quantization's.</summary>
    public void WriteConfig(
        JsonElement config, bool untied, IReadOnlyDictionary<string, WeightScheme> schemes, IEnumerable<string> ignored)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, JsonOptions))
        {
            json.WriteStartObject();
            foreach (JsonProperty property in config.EnumerateObject())
            {
                if (property.Name is not "quantization_config" && !(untied && property.Name == "tie_word_embeddings"))
                {
                    property.WriteTo(json);
                }
            }

            if (untied)
            {
                json.WriteBoolean("tie_word_embeddings", false);
            }

            CompressedTensorsWriter.WriteConfig(json, schemes, ignored);
            json.WriteEndObject();
        }

        File.WriteAllBytes(Path.Combine(Partial, "config.json"), [.. buffer.WrittenSpan, (byte)'\n']);
    }

    /// <summary>
    /// Writes the tensors of no layer, the index, and what stands beside the model; then the directory gets its name.
    /// </summary>
    public void Finish(ModelSource model, IEnumerable<TensorSource> rest)
    {
        SafetensorsWriter.Write(Shard(_layers), rest, Metadata);
        WriteIndex();
        foreach (string pattern in Companions)
        {
            Copy(Directory.EnumerateFiles(model.Path, pattern), Partial);
        }

        string templates = Path.Combine(model.Path, TemplateFolder);
        if (Directory.Exists(templates))
        {
            Copy(
                Directory.EnumerateFiles(templates, "*.jinja"),
                Directory.CreateDirectory(Path.Combine(Partial, TemplateFolder)).FullName);
        }

        // What was written is read once as any reader would, before anybody else sees it.
        ModelSource written = ModelSource.Open(Partial);
        using (Checkpoint checkpoint = written.OpenCheckpoint())
        {
            ModelCatalog.Describe(written, checkpoint);
        }

        File.Delete(Path.Combine(Partial, RecipeFile));
        Directory.Move(Partial, _path);
    }

    /// <summary>Removes what no later run could go on from: a directory without a layer.</summary>
    public void DiscardWithoutLayers()
    {
        if (Directory.Exists(Partial) && !File.Exists(Shard(0)))
        {
            Directory.Delete(Partial, recursive: true);
        }
    }

    /// <summary>Checks before hours of work that a directory of this name can be made.</summary>
    /// <exception cref="QuantizationException">It cannot, or something has the name already.</exception>
    public static void RequireWritable(string path)
    {
        RequireNew(path);
        string nearest = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)))!;
        while (!Path.Exists(nearest))
        {
            nearest = Path.GetDirectoryName(nearest)!;
        }

        string probe = Path.Combine(nearest, $".octavo-{Guid.NewGuid():N}");
        try
        {
            using var stream = new FileStream(
                probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            string why = File.Exists(nearest) ? "is a file" : $"does not take files ({e.Message.TrimEnd('.')})";
            throw new QuantizationException($"{path} cannot be written: {nearest} {why}", e);
        }
    }

    private static void Copy(IEnumerable<string> files, string to)
    {
        foreach (string file in files)
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)), overwrite: true);
        }
    }

    private static Dictionary<string, string> Metadata => new() { ["format"] = "pt" };

    private string Shard(int index) => Path.Combine(Partial, $"model-{index + 1:D5}-of-{_layers + 1:D5}.safetensors");

    // Nobody else names a folder so and puts such a file into it; without the file it may be anybody's.
    private void RemoveLeftovers(string recipe)
    {
        QuantizationException.ThrowIf(
            !File.Exists(recipe),
            $"{Partial} is in the way, and is not what an interrupted run leaves behind: remove it, or name "
                + "another output");

        Directory.Delete(Partial, recursive: true);
    }

    private void WriteIndex()
    {
        using var stream = new FileStream(Path.Combine(Partial, "model.safetensors.index.json"), FileMode.Create);
        using var json = new Utf8JsonWriter(stream, JsonOptions);
        Dictionary<string, string> places = [];
        long total = 0;
        for (int i = 0; i <= _layers; i++)
        {
            using Checkpoint shard = Checkpoint.Open(Shard(i));
            total += shard.TotalBytes;
            foreach (string name in shard.Tensors.Keys)
            {
                places.Add(name, Path.GetFileName(Shard(i)));
            }
        }

        json.WriteStartObject();
        json.WriteStartObject("metadata");
        json.WriteNumber("total_size", total);
        json.WriteEndObject();
        json.WriteStartObject("weight_map");
        foreach ((string name, string file) in places)
        {
            json.WriteString(name, file);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }
}

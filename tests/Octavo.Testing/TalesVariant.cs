using System.Globalization;
using System.Text.Json.Nodes;
using Octavo.Formats;

namespace Octavo.Testing;

/// <summary>The bundled model with something changed, in a directory that lives as long as a test.</summary>
public sealed class TalesVariant : IDisposable
{
    /// <summary>Copies the model.</summary>
    public TalesVariant()
    {
        foreach (string file in Directory.GetFiles(Repository.TalesModel))
        {
            File.Copy(file, System.IO.Path.Combine(Path, System.IO.Path.GetFileName(file)));
        }
    }

    /// <summary>The directory.</summary>
    public string Path { get; } = Directory.CreateTempSubdirectory("octavo-tales-").FullName;

    /// <summary>Sets a field of a file to a JSON value.</summary>
    public TalesVariant With(string file, string field, string json)
    {
        JsonObject root = JsonNode.Parse(File.ReadAllText(Of(file)))!.AsObject();
        root[field] = JsonNode.Parse(json);
        return WithText(file, root.ToJsonString());
    }

    /// <summary>Writes a file, in place of what the model has under that name.</summary>
    public TalesVariant WithText(string file, string text)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(Of(file))!);
        File.WriteAllText(Of(file), text);
        return this;
    }

    /// <summary>Takes away all files of a pattern, of which there must be some.</summary>
    public TalesVariant Without(string pattern)
    {
        string[] files = Directory.GetFiles(Path, pattern);
        Xunit.Assert.NotEmpty(files);
        Array.ForEach(files, File.Delete);
        return this;
    }

    /// <summary>Writes other tensors, made of the model's own.</summary>
    internal TalesVariant WithTensors(Func<IEnumerable<TensorSource>, IEnumerable<TensorSource>> change)
    {
        using Checkpoint tales = Checkpoint.Open(Repository.TalesModel);
        SafetensorsWriter.Write(Of("model.safetensors"), [.. change(tales.Tensors.Values.Select(Source))]);
        return this;
    }

    /// <summary>Keeps the first layers alone: what takes a time for each layer takes less of it.</summary>
    public TalesVariant WithLayers(int count) =>
        WithTensors(tensors => tensors.Where(t => LayerOf(t.Name) < count))
            .With("config.json", "num_hidden_layers", count.ToString(CultureInfo.InvariantCulture));

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Path, recursive: true);

    private static TensorSource Source(Tensor tensor) =>
        new(tensor.Name, tensor.Type, [.. tensor.Shape], tensor.Bytes(0, (int)tensor.ByteLength).ToArray());

    // What belongs to no layer belongs to all models.
    private static int LayerOf(string tensor) =>
        tensor.Split('.') is ["model", "layers", var layer, ..] ? int.Parse(layer, CultureInfo.InvariantCulture) : -1;

    private string Of(string file) => System.IO.Path.Combine(Path, file);
}

using System.Text.Json.Nodes;
using Octavo.Testing;

namespace Octavo.Tests;

/// <summary>
/// The bundled model with other words in its configuration files, in a directory that lives as long as a test.
/// </summary>
internal sealed class TalesVariant : IDisposable
{
    public TalesVariant()
    {
        foreach (string file in Directory.GetFiles(Repository.TalesModel))
        {
            File.Copy(file, System.IO.Path.Combine(Path, System.IO.Path.GetFileName(file)));
        }
    }

    public string Path { get; } = Directory.CreateTempSubdirectory("octavo-").FullName;

    /// <summary>Sets a field of a file to a JSON value.</summary>
    public TalesVariant With(string file, string field, string json)
    {
        string path = System.IO.Path.Combine(Path, file);
        JsonObject root = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        root[field] = JsonNode.Parse(json);
        File.WriteAllText(path, root.ToJsonString());
        return this;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

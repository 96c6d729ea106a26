using System.Text.Json;

namespace Octavo.Formats;

/// <summary><c>model.safetensors.index.json</c>: which file of a sharded checkpoint holds which tensor.</summary>
internal static class ShardIndex
{
    public const string FileName = "model.safetensors.index.json";

    /// <summary>
    /// Tensor name to file name; every file name is plain, so that it cannot lead out of the directory.
    /// </summary>
    /// <param name="path">The index.</param>
    /// <param name="end">How the names of files end.</param>
    public static IReadOnlyDictionary<string, string> Read(string path, string end = ".safetensors")
    {
        JsonElement root = JsonFile.ReadObject(path, SafetensorsHeader.MaxLength, allowDuplicates: false);
        if (!root.TryGetProperty("weight_map", out JsonElement map) || map.ValueKind != JsonValueKind.Object)
        {
            throw new CheckpointException(path, "weight_map is missing or not an object");
        }

        var fileOfTensor = new Dictionary<string, string>();
        foreach (JsonProperty entry in map.EnumerateObject())
        {
            string? file = entry.Value.ValueKind == JsonValueKind.String ? entry.Value.GetString() : null;
            if (file is null || !IsPlainName(file, end))
            {
                throw new CheckpointException(
                    path,
                    entry.Name,
                    $"weight_map gives {CheckpointException.Shorten(entry.Value.GetRawText())}; "
                    + $"it must be the plain name of a {end} file in the same directory");
            }

            fileOfTensor.Add(entry.Name, file);
        }

        return fileOfTensor.Count > 0
            ? fileOfTensor
            : throw new CheckpointException(path, "weight_map is empty; it must name every tensor's file");
    }

    private static bool IsPlainName(string file, string end) =>
        file.EndsWith(end, StringComparison.Ordinal)
        && file.Length <= 255
        && file.IndexOfAny(['/', '\\', ':', '\0']) < 0;
}

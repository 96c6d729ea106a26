using System.Text.Json;

namespace Octavo.Testing;

/// <summary>A tiny checkpoint with logits from an independent float64 implementation.</summary>
public sealed class Golden
{
    private Golden(string directory, string expected)
    {
        Directory = directory;
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(directory, expected)));
        Prompts = [.. document.RootElement.GetProperty("prompts").EnumerateArray().Select(p => new GoldenPrompt(
            p.TryGetProperty("name", out JsonElement called)
                ? called.GetString()!
                : $"of {p.GetProperty("ids").GetArrayLength()}",
            Read(p, "ids", e => e.GetInt32()),
            Read(p, "last_logits", e => e.GetDouble()),
            [.. p.GetProperty("top5_ids")
                .EnumerateArray()
                .Select(row => row.EnumerateArray().Select(e => e.GetInt32()).ToArray())],
            [.. p.GetProperty("top5_logits")
                .EnumerateArray()
                .Select(row => row.EnumerateArray().Select(e => e.GetDouble()).ToArray())],
            Read(p, "logsumexp", e => e.GetDouble()),
            Read(p, "greedy_ids", e => e.GetInt32())))];
    }

    public string Directory { get; }

    public IReadOnlyList<GoldenPrompt> Prompts { get; }

    /// <summary>
    /// Reads a directory under <c>shared/data/golden</c>, or under <c>shared/data</c> where its name has a slash; skips
    /// the running test where it is absent.
    /// </summary>
    /// <param name="name">The directory's name.</param>
    /// <param name="expected">The file that holds the logits: some directories have several conventions.</param>
    public static Golden Require(string name, string expected = "expected.json") =>
        new(SharedData.Require(name.Contains('/') ? name : Path.Combine("golden", name)), expected);

    private static T[] Read<T>(JsonElement element, string field, Func<JsonElement, T> read) =>
        element.TryGetProperty(field, out JsonElement values) ? [.. values.EnumerateArray().Select(read)] : [];
}

/// <summary>
/// One prompt: logits of its last token, the five best and the log-sum of all positions, and what follows.
/// </summary>
public sealed record GoldenPrompt(
    string Name, int[] Ids, double[] LastLogits, int[][] TopIds, double[][] TopLogits, double[] LogSumExp,
    int[] GreedyIds);

using System.Text.RegularExpressions;

namespace Octavo.Formats;

/// <summary>
/// What somebody probably means who names something that is no model's directory, and how to get from there to one:
/// names on the hub, addresses, GGUF and PyTorch files.
/// </summary>
internal static partial class ModelAdvice
{
    private const int Patience = 1000;      // ms; neither expression can take long
    private const string Reads =
        "Octavo reads Hugging Face directories with config.json and safetensors, and GGUF files";
    private const string Pickled =
        "PyTorch weights under another name than transformers' pytorch_model.bin, whose tensors have other names, too: "
        + "take the repository's safetensors where it has them, or load the model with transformers and write it again "
        + "by save_pretrained";

    private static readonly string[] PickledEnds = [".bin", ".pt", ".pth", ".ckpt"];

    /// <summary>Advice about a path, or what was given in place of one; null where there is none to give.</summary>
    /// <param name="path">A file, a directory that holds no model, or nothing that exists.</param>
    public static string? About(string path)
    {
        return Directory.Exists(path) ? AboutDirectory(path) : File.Exists(path) ? AboutFile(path) : AboutNothing(path);
    }

    /// <summary>
    /// What the files of a directory are, where no safetensors is among them; null where nothing is known.
    /// </summary>
    internal static string? AboutDirectory(string path)
    {
        string[] files = Directory.GetFiles(path);
        if (Array.Find(files, f => f.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)) is not null)
        {
            return null;
        }

        string[] ggufs = [.. files.Where(f => f.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase))
            .Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];
        if (ggufs.Length > 0)
        {
            return $"it holds several models in GGUF; name one of the files: {string.Join(", ", ggufs)}";
        }

        if (Array.Find(files, f => PickledEnds.Contains(Path.GetExtension(f).ToLowerInvariant())) is { } pickled)
        {
            return $"it holds '{Path.GetFileName(pickled)}': {Pickled}";
        }

        // The hub's cache keeps each version of a repository in a directory of its own.
        string snapshots = Path.Combine(path, "snapshots");
        return Directory.Exists(snapshots)
            && Directory.GetDirectories(snapshots).Order(StringComparer.Ordinal).FirstOrDefault() is { } snapshot
            ? $"it is the hub's cache of a repository; the model is in {snapshot}"
            : null;
    }

    private static bool IsTransformers(string path) =>
        Path.GetFileName(path).StartsWith("pytorch_model", StringComparison.Ordinal)
        && path.EndsWith(".bin", StringComparison.Ordinal);

    private static string? AboutFile(string path)
    {
        if (PickledEnds.Contains(Path.GetExtension(path).ToLowerInvariant()) && !IsTransformers(path))
        {
            return "it is a file of " + Pickled;
        }

        return IsTransformers(path) || path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)
            || path.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
            ? $"name the directory that it is in, {Path.GetDirectoryName(Path.GetFullPath(path))}"
            : null;
    }

    private static string? AboutNothing(string path)
    {
        Match address = Address().Match(path);
        string name = address.Success ? address.Groups["rest"].Value : path;
        Match hub = HubName().Match(name);
        bool elsewhere = address.Success && !address.Groups["hub"].Success;
        if (BareName().IsMatch(path))
        {
            return $"a name on the Hugging Face hub has two parts: ORG/{path}";
        }

        if (!hub.Success || elsewhere)
        {
            return address.Success
                ? $"it is an address; {Reads}: download the model's directory or file, and name that"
                : null;
        }

        bool isGguf = name.Contains("gguf", StringComparison.OrdinalIgnoreCase);
        string quantization = hub.Groups["quant"] is { Success: true } found ? found.Value
            : isGguf ? ":QUANT"
            : string.Empty;
        return "if it is meant to be fetched from the Hugging Face hub, name it as there: "
            + hub.Groups["name"].Value + quantization;
    }

    [GeneratedRegex(
        @"\A(?:(?<hub>hf://|(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/)|https?://)(?<rest>.+)\z",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        Patience)]
    private static partial Regex Address();

    // ORG/NAME as the hub has them; behind it a quantization (ORG/NAME:Q4_K_M), or, in an address, a file or a branch.
    [GeneratedRegex(
        @"\A(?<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:(?<quant>:[\w.-]+)|/(?:resolve|blob|tree)/.*|/)?\z",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        Patience)]
    private static partial Regex HubName();

    // The hub's first models have no ORG: gpt2, bert-base-uncased. A word without a digit or a hyphen is more likely a
    // folder.
    [GeneratedRegex(
        @"\A(?=.*[0-9-])(?!.*\.gguf\z)[A-Za-z0-9][\w.-]*\z",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase,
        Patience)]
    private static partial Regex BareName();
}

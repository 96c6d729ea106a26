using System.Globalization;
using System.Text.RegularExpressions;

namespace Octavo.Formats.Hub;

/// <summary>A model in a repository's GGUF files: one, or the parts of one.</summary>
/// <param name="Quantization">What its name says that it is quantized to; the name itself where that says nothing.
/// </param>
/// <param name="Files">The file, or all parts in their order.</param>
/// <param name="IsWhole">Whether no part is missing.</param>
internal sealed record GgufModel(string Quantization, IReadOnlyList<HubFile> Files, bool IsWhole);

/// <summary>The GGUF files of a repository, by what their names say: that is all there is to go by.</summary>
internal static partial class GgufFiles
{
    private const string End = ".gguf";
    private const int Patience = 1000;      // ms

    // Parts of other models beside a text's: what sees, and what was measured to quantize by.
    private static readonly string[] OtherParts = ["mmproj", "imatrix"];

    /// <summary>The models among the files, in the order of their quantizations.</summary>
    public static IReadOnlyList<GgufModel> Of(HubListing listing) =>
    [
        .. from file in listing.Files
           where IsModel(file)
           group file by Part().Replace(file.Path, End) into parts
           let files = parts.OrderBy(file => file.Path, StringComparer.Ordinal).ToArray()
           let model = new GgufModel(QuantizationOf(parts.Key), files, IsWhole(files))
           orderby model.Quantization, parts.Key
           select model,
    ];

    /// <summary>The files of the quantization that is named, or of the only one.</summary>
    /// <exception cref="HubException">There is none, or there are several.</exception>
    public static IReadOnlyList<HubFile> Choose(HubName name, HubListing listing)
    {
        IReadOnlyList<GgufModel> all = Of(listing);
        GgufModel[] fit = name.Quantization is { } asked
            ? FirstOf(
                all.Where(model => Equals(model.Quantization, asked)), all.Where(model => HasPart(model, asked)))
            : [.. all];
        return fit switch
        {
            [{ IsWhole: true } one] => one.Files,
            [{ } broken] => throw No($"{broken.Files[0].Path} is one of several parts, and not all of them are there"),
            _ when all.Count == 0 => throw No("the repository has no GGUF files"),
            [] => throw No(
                $"the repository has no GGUF file of {name.Quantization}; it has {Describe(all)}"),
            _ when name.Quantization is null =>
                throw No(
                $"the repository has several GGUF files: name one, as {name}:{all[0].Quantization}; it has "
                    + Describe(all)),
            _ => throw No($"the repository has several GGUF files of {name.Quantization}: "
                + string.Join(", ", fit.Select(model => model.Files[0].Path))),
        };

        HubException No(string problem) => new(HubFailure.NoModel, name.ToString(), problem);
    }

    /// <summary>What a file's name says that it is quantized to; the name itself where that says nothing.</summary>
    public static string QuantizationOf(string path)
    {
        string name = Path.GetFileNameWithoutExtension(Part().Replace(path, End));
        MatchCollection inName = Quantization().Matches(name);
        MatchCollection all = inName.Count > 0 ? inName : Quantization().Matches(path);
        return all.Count > 0 ? all[^1].Value.ToUpperInvariant() : name;
    }

    private static GgufModel[] FirstOf(IEnumerable<GgufModel> better, IEnumerable<GgufModel> other) =>
        better.ToArray() is { Length: > 0 } found ? found : [.. other];

    private static bool Equals(string a, string b) => string.Equals(a, b, StringComparison.OrdinalIgnoreCase);

    // As a part of its name that other words do not go on: Q4_K is not Q4_K_M.
    private static bool HasPart(GgufModel model, string asked) => Regex.IsMatch(
        Part().Replace(model.Files[0].Path, End),
        $@"(?<![A-Za-z0-9]){Regex.Escape(asked)}(?![A-Za-z0-9_])",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant,
        TimeSpan.FromMilliseconds(Patience));

    private static string Describe(IReadOnlyList<GgufModel> models) => string.Join(", ", models.Select(model =>
        model.Files.Sum(file => file.Size ?? 0) is > 0 and var bytes
            ? string.Create(CultureInfo.InvariantCulture, $"{model.Quantization} ({bytes / 1e9:0.##} GB)")
            : model.Quantization));

    private static bool IsModel(HubFile file)
    {
        string name = Path.GetFileName(file.Path);
        return name.EndsWith(End, StringComparison.OrdinalIgnoreCase)
            && !Array.Exists(OtherParts, other => name.StartsWith(other, StringComparison.OrdinalIgnoreCase));
    }

    private static bool IsWhole(HubFile[] files)
    {
        Match part = Part().Match(files[0].Path);
        int count = part.Groups["count"].Success
            ? int.Parse(part.Groups["count"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture)
            : 1;
        return files.Length == count;
    }

    // llama.cpp's names of types, with the word that some put before their own recipes.
    [GeneratedRegex(
        @"(?<![A-Za-z0-9])(UD-)?(I?Q\d(_[A-Z0-9]+)*|TQ\d(_\d)?|BF16|FP?16|FP?32|F64|(MX|NV)FP4(_MOE)?)"
            + @"(?![A-Za-z0-9])",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        Patience)]
    private static partial Regex Quantization();

    [GeneratedRegex(
        @"(-\d{5}-of-(?<count>\d{5}))?\.gguf\z",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        Patience)]
    private static partial Regex Part();
}

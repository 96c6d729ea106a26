using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Octavo.Formats.Hub;

/// <summary>
/// A model's name on the hub: <c>ORG/NAME</c>, behind it <c>@REVISION</c> (a branch, a tag or a commit) and, for one of
/// its GGUF files, <c>:QUANT</c>.
/// </summary>
/// <param name="Repository"><c>ORG/NAME</c>.</param>
/// <param name="Revision">The revision; null is <see cref="DefaultRevision"/>.</param>
/// <param name="Quantization">The quantization, such as <c>Q4_K_M</c>; null where none is named.</param>
internal sealed partial record HubName(string Repository, string? Revision = null, string? Quantization = null)
{
    /// <summary>The revision where none is named.</summary>
    public const string DefaultRevision = "main";

    private const int MaxPartLength = 96;
    private const int Patience = 1000;      // ms; no expression here takes long

    /// <summary>The revision that is meant.</summary>
    public string RevisionOrDefault => Revision ?? DefaultRevision;

    /// <summary>Reads a name.</summary>
    /// <exception cref="HubException">It is none.</exception>
    public static HubName Parse(string text) => TryParse(text, out HubName? name)
        ? name
        : throw new HubException(
            HubFailure.NotFound,
            text,
            "that is no name on the hub; one is ORG/NAME, behind it @REVISION or :QUANT (of its GGUF files)");

    /// <summary>Reads a name, if it is one.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out HubName? name)
    {
        Match match = Form().Match(text);
        name = match.Success
            ? new HubName(match.Groups["name"].Value, Value("revision"), Value("quantization"))
            : null;
        if (name is not null && !(name.Repository.Split('/').All(IsPart) && IsRevision(name.RevisionOrDefault)))
        {
            name = null;
        }

        return name is not null;

        string? Value(string group) => match.Groups[group] is { Success: true } found ? found.Value : null;
    }

    /// <summary>Whether a revision is a commit, which nobody can move.</summary>
    public static bool IsCommit(string revision) => revision.Length == 40 && revision.All(char.IsAsciiHexDigitLower);

    /// <inheritdoc/>
    public override string ToString() =>
        Repository + (Revision is null ? string.Empty : "@" + Revision)
        + (Quantization is null ? string.Empty : ":" + Quantization);

    // The rules of the hub. Two hyphens part ORG and NAME in the cache's folders.
    private static bool IsPart(string part) =>
        part.Length <= MaxPartLength
        && !part.Contains("--", StringComparison.Ordinal)
        && !part.Contains("..", StringComparison.Ordinal)
        && !part.EndsWith(".git", StringComparison.Ordinal);

    // It becomes a path below refs/.
    private static bool IsRevision(string revision) =>
        revision.Split('/').All(step => step.Length > 0 && step.Trim('.').Length > 0) && !revision.Contains("..");

    [GeneratedRegex(
        @"\A(?<name>[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?/[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?)"
            + @"(@(?<revision>[A-Za-z0-9_./+-]+))?(:(?<quantization>[A-Za-z0-9_.-]+))?\z",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        Patience)]
    private static partial Regex Form();
}

using Octavo.Testing;

namespace Octavo.Architecture.Tests;

/// <summary>No line is longer than .editorconfig says (max_line_length): two files fit beside each other.</summary>
public sealed class SourceLineTests
{
    private const int MaxLength = 120;

    /// <summary>Projects of src, with their tests, that are still to be wrapped.</summary>
    private static readonly string[] Exempt =
        ["Octavo", "Octavo.Cli", "Octavo.EndToEnd", "Octavo.Engine", "Octavo.Lab", "Octavo.Server"];

    [Theory]
    [InlineData("src")]
    [InlineData("tests")]
    public void Lines_OfEverySource_FitIntoTheWidth(string folder)
    {
        Assert.SkipWhen(Repository.Root is null, "needs the checkout");
        string root = Path.Combine(Repository.Root, folder);
        IEnumerable<string> projects = Directory.GetDirectories(root).Where(d => !Exempt.Contains(ProjectOf(d)));
        string[] files = [.. projects.SelectMany(ProjectSource.Files)];
        files.ShouldNotBeEmpty();
        files.SelectMany(Overlong).ShouldBeEmpty($"no line is longer than {MaxLength}");

        IEnumerable<string> Overlong(string file) =>
            from line in File.ReadLines(file).Index()
            where line.Item.Length > MaxLength
            select $"{Path.GetRelativePath(root, file)}:{line.Index + 1}";
    }

    private static string ProjectOf(string folder)
    {
        string name = Path.GetFileName(folder);
        return name.EndsWith(".Tests", StringComparison.Ordinal) ? name[..^".Tests".Length] : name;
    }
}

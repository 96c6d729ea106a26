using Octavo.Testing;

namespace Octavo.Architecture.Tests;

/// <summary>No line is longer than .editorconfig says (max_line_length): two files fit beside each other.</summary>
public sealed class SourceLineTests
{
    private const int MaxLength = 120;

    [Theory]
    [InlineData("src")]
    [InlineData("tests")]
    public void Lines_OfEverySource_FitIntoTheWidth(string folder)
    {
        Assert.SkipWhen(Repository.Root is null, "needs the checkout");
        string root = Repository.Root;
        string[] files = [.. ProjectSource.Files(Path.Combine(root, folder))];
        files.ShouldNotBeEmpty();
        files.SelectMany(Overlong).ShouldBeEmpty($"no line is longer than {MaxLength}");

        // What a test sends or expects in a raw string is text, and stands as it is sent.
        IEnumerable<string> Overlong(string file)
        {
            bool raw = false;
            foreach ((int index, string line) in File.ReadLines(file).Index())
            {
                bool quotes = line.Contains("\"\"\"", StringComparison.Ordinal);
                if (line.Length > MaxLength && !(folder == "tests" && (raw || quotes)))
                {
                    yield return $"{Path.GetRelativePath(root, file)}:{index + 1}";
                }

                raw ^= quotes && line.Split("\"\"\"").Length % 2 == 0;
            }
        }
    }
}

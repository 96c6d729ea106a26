using Octavo.Testing;

namespace Octavo.Architecture.Tests;

/// <summary>Folders of a project form no circle: whoever reads one of them need not have read them all.</summary>
public sealed class FolderGraphTests
{
    public static TheoryData<string> Projects => [.. ProjectGraphTests.Projects];

    [Theory]
    [MemberData(nameof(Projects))]
    public void Folders_OfAProject_FormNoCircle(string project)
    {
        Assert.SkipWhen(Repository.Root is null, "needs the checkout");
        IReadOnlyDictionary<(string From, string To), string> arrows = ProjectSource.Of(project).Arrows;

        int folders = ProjectSource.Files(Path.Combine(Repository.Root, "src", project))
            .Select(Path.GetDirectoryName).Distinct().Count();
        arrows.Any().ShouldBe(folders > 1, "a reading that found nothing proves nothing");
        arrows.Where(a => Reaches(arrows.Keys, a.Key.To, a.Key.From))
            .Select(a => $"{a.Key.From} → {a.Key.To}: {a.Value}")
            .ShouldBeEmpty($"folders of {project} stand in a circle");
    }

    private static bool Reaches(IEnumerable<(string From, string To)> arrows, string from, string to)
    {
        ILookup<string, string> next = arrows.ToLookup(a => a.From, a => a.To);
        HashSet<string> seen = [from];
        var open = new Queue<string>(seen);
        while (open.TryDequeue(out string? folder))
        {
            foreach (string other in next[folder].Where(seen.Add))
            {
                open.Enqueue(other);
            }
        }

        return seen.Contains(to);
    }
}

namespace Octavo.Testing;

/// <summary>
/// Finds reference data that is not part of the repository: the folder named by OCTAVO_SHARED, or <c>shared</c> beside
/// the repository's root. A test that needs it skips, and says so, where it is absent.
/// </summary>
public static class SharedData
{
    /// <summary>
    /// The full path of something under <c>shared/data</c>; skips the running test where it is absent.
    /// </summary>
    public static string Require(string relativePath)
    {
        string? root = Environment.GetEnvironmentVariable("OCTAVO_SHARED")
            ?? (Repository.Root is { } repository ? Path.Combine(repository, "..", "shared") : null);
        string? path = root is null ? null : Path.GetFullPath(Path.Combine(root, "data", relativePath));
        if (path is null || !Path.Exists(path))
        {
            Xunit.Assert.Skip($"needs shared/{FirstAbsent(root, Path.Combine("data", relativePath))} (beside the "
                + "repository, or under OCTAVO_SHARED), which is absent");
        }

        return path;
    }

    // Where all of it is absent, that is one reason for all tests.
    private static string FirstAbsent(string? root, string path)
    {
        string[] steps = path.Split('/', '\\');
        int present = Enumerable.Range(0, steps.Length)
            .Count(i => root is not null && Path.Exists(Path.Combine(root, Path.Combine(steps[..(i + 1)]))));
        return string.Join('/', steps.Take(present + 1));
    }
}

/// <summary>The checkout that the tests were built from.</summary>
public static class Repository
{
    /// <summary>
    /// The folder that holds <c>Octavo.slnx</c>, or null where the tests run away from their checkout.
    /// </summary>
    public static string? Root { get; } = Find();

    /// <summary>The bundled model's directory.</summary>
    public static string TalesModel =>
        Path.Combine(Root ?? throw new DirectoryNotFoundException("not in a checkout"), "models", "tales");

    private static string? Find()
    {
        for (DirectoryInfo? d = new(AppContext.BaseDirectory); d is not null; d = d.Parent)
        {
            if (File.Exists(Path.Combine(d.FullName, "Octavo.slnx")))
            {
                return d.FullName;
            }
        }

        return null;
    }
}

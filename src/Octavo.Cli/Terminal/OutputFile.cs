namespace Octavo.Cli.Terminal;

/// <summary>A file that a command line names to be written.</summary>
internal static class OutputFile
{
    /// <summary>Checks before hours of work that a file can be written.</summary>
    /// <exception cref="UsageException">It cannot; the message begins with <paramref name="option"/>.</exception>
    public static void Check(string option, string? path)
    {
        if (path is null)
        {
            return;
        }

        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        UsageException.ThrowIf(Directory.Exists(path), $"{option} {path}: that is a directory");
        UsageException.ThrowIf(!Directory.Exists(folder), $"{option} {path}: there is no directory {folder}");

        try
        {
            using var probe =
                new FileStream(
                    $"{path}.{Guid.NewGuid():N}",
                    FileMode.CreateNew,
                    FileAccess.Write,
                    FileShare.None,
                    1,
                    FileOptions.DeleteOnClose);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{option} {path}: {folder} takes no files ({e.Message.TrimEnd('.')})");
        }
    }
}

namespace Octavo.Cli.Terminal;

/// <summary>Files that are there as a whole or not at all.</summary>
internal static class WholeFile
{
    /// <summary>Writes a text beside the file and renames it, so that whoever reads it sees the old one or the new.</summary>
    public static void Write(string path, string text)
    {
        string fresh = path + ".new";
        File.WriteAllText(fresh, text + Environment.NewLine);
        File.Move(fresh, path, overwrite: true);
    }

    /// <summary>Checks before hours of work that a file can be written.</summary>
    /// <exception cref="UsageException">It cannot; the message begins with <paramref name="option"/>.</exception>
    public static void Check(string option, string? path)
    {
        if (path is null)
        {
            return;
        }

        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (!Directory.Exists(folder) || Directory.Exists(path))
        {
            throw new UsageException($"{option} {path}: " + (Directory.Exists(path) ? "that is a directory" : $"there is no directory {folder}"));
        }

        try
        {
            using var probe = new FileStream($"{path}.{Guid.NewGuid():N}", FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{option} {path}: {folder} takes no files ({e.Message.TrimEnd('.')})");
        }
    }
}

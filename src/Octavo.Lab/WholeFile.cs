namespace Octavo.Lab;

/// <summary>Files that are there as a whole or not at all.</summary>
internal static class WholeFile
{
    /// <summary>Writes a text beside the file and renames it: whoever reads it sees the old one or the new.</summary>
    public static void Write(string path, string text)
    {
        string fresh = path + ".new";
        File.WriteAllText(fresh, text + Environment.NewLine);
        File.Move(fresh, path, overwrite: true);
    }
}

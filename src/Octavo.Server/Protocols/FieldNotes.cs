namespace Octavo.Server.Protocols;

/// <summary>What the log is to hear of a body's fields.</summary>
internal sealed class FieldNotes
{
    private readonly SortedSet<string> _unknown = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _withoutEffect = new(StringComparer.Ordinal);

    /// <summary>The paths of fields that no table has.</summary>
    public IReadOnlyCollection<string> Unknown => _unknown;

    /// <summary>The paths of fields that were accepted and change nothing here.</summary>
    public IReadOnlyCollection<string> WithoutEffect => _withoutEffect;

    public void AddUnknown(string path) => _unknown.Add(Generalize(path));

    public void AddWithoutEffect(string path) => _withoutEffect.Add(Generalize(path));

    // One note for the items of a list: messages[].name.
    private static string Generalize(string path)
    {
        if (!path.Contains('['))
        {
            return path;
        }

        return string.Concat(
            path.Split('[').Select((piece, i) => i == 0 ? piece : "[" + piece.TrimStart("0123456789".ToCharArray())));
    }
}

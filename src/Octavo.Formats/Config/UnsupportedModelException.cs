namespace Octavo.Formats;

/// <summary>
/// A model that is well formed but asks for something that is not supported; the message says what is.
/// </summary>
public sealed class UnsupportedModelException : Exception
{
    /// <summary>A field has a value that is not supported.</summary>
    /// <param name="file">The path of the file.</param>
    /// <param name="field">The field, by its path from the file's root.</param>
    /// <param name="value">Its value.</param>
    /// <param name="supported">The values that are supported, or a description of them.</param>
    public UnsupportedModelException(string file, string field, string value, params IEnumerable<string> supported)
        : base(
            $"{file}: {field} is {Shorten(value)}, which is not supported; supported: {string.Join(", ", supported)}")
    {
        (File, Field) = (file, field);
    }

    /// <summary>The path of the file.</summary>
    public string File { get; }

    /// <summary>The field, by its path from the file's root.</summary>
    public string Field { get; }

    private static string Shorten(string value) =>
        value.Length <= 200 ? value : string.Concat(value.AsSpan(0, 200), "...");
}

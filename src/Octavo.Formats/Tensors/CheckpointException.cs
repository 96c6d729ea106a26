namespace Octavo.Formats;

/// <summary>
/// A model file that is missing, damaged, or says something impossible; the message says where and what.
/// </summary>
public sealed class CheckpointException : Exception
{
    private const int ShownNameLength = 200;

    /// <summary>A problem with a file.</summary>
    public CheckpointException(string file, string problem, Exception? inner = null)
        : this(file, null, problem, inner)
    {
    }

    /// <summary>A problem with a tensor of a file.</summary>
    public CheckpointException(string file, string? tensor, string problem, Exception? inner = null)
        : base(tensor is null ? $"{file}: {problem}" : $"{file}: tensor '{Shorten(tensor)}': {problem}", inner)
    {
        File = file;
        Tensor = tensor;
    }

    internal static void ThrowIf(bool wrong, string file, string problem) => ThrowIf(wrong, file, null, problem);

    internal static void ThrowIf(bool wrong, string file, string? tensor, string problem)
    {
        if (wrong)
        {
            throw new CheckpointException(file, tensor, problem);
        }
    }

    /// <summary>The file or directory.</summary>
    public string File { get; }

    /// <summary>The tensor's name, where the problem is one tensor's.</summary>
    public string? Tensor { get; }

    // A hostile name may be as long as a header; a message is not.
    internal static string Shorten(string name) =>
        name.Length <= ShownNameLength ? name : string.Concat(name.AsSpan(0, ShownNameLength), "...");
}

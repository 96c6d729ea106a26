namespace Octavo.Text;

/// <summary>
/// A tokenizer file that is malformed, or that asks for something Octavo does not support. The message names the
/// file, the field, and what is supported.
/// </summary>
public sealed class TokenizerFormatException : Exception
{
    /// <summary>An error at <paramref name="field"/> of <paramref name="file"/>.</summary>
    /// <param name="file">The path of the file.</param>
    /// <param name="field">The field's path within the file, such as <c>model.vocab</c>.</param>
    /// <param name="problem">What is wrong and what is supported.</param>
    /// <param name="innerException">The cause, where there is one.</param>
    public TokenizerFormatException(string file, string field, string problem, Exception? innerException = null)
        : base($"{file}: {field}: {problem}", innerException)
    {
        File = file;
        Field = field;
    }

    internal TokenizerFormatException(string file, Exception? innerException)
        : base(
            $"{file} is missing; with SkipTokenizerInit an engine takes and gives token ids without it", innerException)
    {
        (File, Field, IsMissing) = (file, "$", true);
    }

    /// <summary>True where there is no such file.</summary>
    public bool IsMissing { get; }

    /// <summary>The path of the file.</summary>
    public string File { get; }

    /// <summary>The field's path within the file, such as <c>model.vocab</c>.</summary>
    public string Field { get; }
}

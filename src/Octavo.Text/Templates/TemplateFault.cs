namespace Octavo.Text.Templates;

/// <summary>
/// What is wrong in a template or in what it computes, before anyone knows which template that was. One without a
/// position arose where the renderer stood last.
/// </summary>
internal sealed class TemplateFault(string problem, int position = TemplateFault.Unknown) : Exception(problem)
{
    public const int Unknown = -1;

    /// <summary>Where in the template, in characters from its start.</summary>
    public int Position { get; } = position;

    /// <summary>The same as an error that names the template, the line and the column.</summary>
    public ChatTemplateException In(string template, string source, int elsewhere)
    {
        int at = Math.Clamp(Position == Unknown ? elsewhere : Position, 0, source.Length);
        ReadOnlySpan<char> before = source.AsSpan(0, at);
        return new ChatTemplateException(
            template, before.Count('\n') + 1, at - (before.LastIndexOf('\n') + 1) + 1, Message);
    }
}

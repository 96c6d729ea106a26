namespace Octavo.Text;

/// <summary>
/// A chat template that is malformed, uses an unsupported construct, or refuses the conversation. The message names
/// the template, the line, the construct, and what is supported.
/// </summary>
public sealed class ChatTemplateException : Exception
{
    /// <summary>An error at <paramref name="line"/> of <paramref name="template"/>.</summary>
    /// <param name="template">The template's name.</param>
    /// <param name="line">The line, counted from 1.</param>
    /// <param name="problem">What is wrong and what is supported.</param>
    public ChatTemplateException(string template, int line, string problem)
        : base($"{template}, line {line}: {problem}")
    {
        Template = template;
        Line = line;
    }

    /// <summary>The template's name.</summary>
    public string Template { get; }

    /// <summary>The line, counted from 1.</summary>
    public int Line { get; }
}

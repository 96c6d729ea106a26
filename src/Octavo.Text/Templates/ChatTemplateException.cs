namespace Octavo.Text;

/// <summary>
/// A chat template that is malformed, or refuses the conversation. The message names the template, the line, the
/// column, and what is wrong; where the template itself refused (<c>raise_exception</c>), what it said.
/// </summary>
public sealed class ChatTemplateException : Exception
{
    /// <summary>An error at a place of <paramref name="template"/>.</summary>
    /// <param name="template">The template's name.</param>
    /// <param name="line">The line, counted from 1.</param>
    /// <param name="column">The column, counted from 1.</param>
    /// <param name="problem">What is wrong.</param>
    public ChatTemplateException(string template, int line, int column, string problem)
        : base($"{template}, line {line}, column {column}: {problem}")
    {
        Template = template;
        Line = line;
        Column = column;
    }

    /// <summary>A conversation that cannot be given to <paramref name="template"/>.</summary>
    /// <param name="template">The template's name.</param>
    /// <param name="problem">What is wrong.</param>
    public ChatTemplateException(string template, string problem)
        : base($"{template}: {problem}") => Template = template;

    /// <summary>The template's name.</summary>
    public string Template { get; }

    /// <summary>The line, counted from 1; 0 where no line is at fault.</summary>
    public int Line { get; }

    /// <summary>The column, counted from 1; 0 where no line is at fault.</summary>
    public int Column { get; }
}

using System.Text.Json;
using Octavo.Lab;
using Octavo.Text;

namespace Octavo.Cli.Terminal;

/// <summary>A command as a filter: each line of its input holds JSON, and a line answers it.</summary>
internal static class JsonLines
{
    /// <summary>Answers all lines; one that cannot be answered says why, and the next one goes on.</summary>
    /// <param name="input">The lines.</param>
    /// <param name="answer">What writes the members of a line's answer, once all of it is computed.</param>
    public static void Answer(TextReader input, Func<string, Action<Utf8JsonWriter>> answer)
    {
        while (input.ReadLine() is { } line)
        {
            Write(AnswerOrError(line, answer));
        }
    }

    /// <summary>Writes an object and a newline to standard output.</summary>
    public static void Write(Action<Utf8JsonWriter> members)
    {
        Stdio.Out.WriteLine(JsonText.InOneLine(members));
        Stdio.Out.Flush();
    }

    private static Action<Utf8JsonWriter> AnswerOrError(string line, Func<string, Action<Utf8JsonWriter>> answer)
    {
        try
        {
            return answer(line);
        }
        catch (Exception e) when (
            e is ChatTemplateException or JsonException or UsageException or TextEncodingException)
        {
            return json => json.WriteString("error", e.Message);
        }
    }
}

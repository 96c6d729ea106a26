using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Lab;
using Octavo.Text;

namespace Octavo.Cli.Render;

/// <summary>What <c>octavo render</c> prints for programs: an object a line.</summary>
internal static class RenderJson
{
    /// <summary>Answers a line; one that cannot be answered says why, and the next one goes on.</summary>
    public static void Write(RenderSource source, string line)
    {
        try
        {
            Write("rendered", source.Render(ConversationJson.Parse(line)));
        }
        catch (Exception e) when (e is ChatTemplateException or JsonException or UsageException)
        {
            Write("error", e.Message);
        }
    }

    /// <summary>Writes an object of one field and a newline to standard output.</summary>
    public static void Write(string name, string text)
    {
        Stdio.Out.WriteLine(JsonText.InOneLine(json => json.WriteString(name, text)));
        Stdio.Out.Flush();
    }
}

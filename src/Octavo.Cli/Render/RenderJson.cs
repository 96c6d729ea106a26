using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Text;

namespace Octavo.Cli.Render;

/// <summary>What <c>octavo render</c> prints for programs: an object a line.</summary>
internal static class RenderJson
{
    private static readonly JsonWriterOptions Format = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

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
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Format))
        {
            json.WriteStartObject();
            json.WriteString(name, text);
            json.WriteEndObject();
        }

        Stdio.Out.WriteLine(Encoding.UTF8.GetString(buffer.GetBuffer().AsSpan(0, (int)buffer.Length)));
        Stdio.Out.Flush();
    }
}

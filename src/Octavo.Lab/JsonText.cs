using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Octavo.Lab;

/// <summary>One JSON object as text.</summary>
internal static class JsonText
{
    private static readonly JsonWriterOptions Line = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonWriterOptions Page = Line with { Indented = true };

    /// <summary>The object whose members <paramref name="write"/> writes, over several lines.</summary>
    public static string Of(Action<Utf8JsonWriter> write) => Of(write, Page);

    /// <summary>The same in one line.</summary>
    public static string InOneLine(Action<Utf8JsonWriter> write) => Of(write, Line);

    private static string Of(Action<Utf8JsonWriter> write, JsonWriterOptions format)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, format))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }
}

using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Octavo.Lab;

/// <summary>One JSON object as text.</summary>
internal static class JsonText
{
    private static readonly JsonWriterOptions Format = new()
    {
        Indented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The object whose members <paramref name="write"/> writes.</summary>
    public static string Of(Action<Utf8JsonWriter> write)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Format))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }
}

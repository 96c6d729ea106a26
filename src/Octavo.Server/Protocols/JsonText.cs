using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Octavo.Server.Protocols;

/// <summary>JSON, written token by token: no reflection, no objects in between.</summary>
internal static class JsonText
{
    // Answers are read as JSON, never as HTML, so text keeps its letters.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Utf8JsonWriter CreateWriter(IBufferWriter<byte> output) => new(output, Options);

    public static void WriteNumbers(this Utf8JsonWriter json, string name, IEnumerable<int> numbers)
    {
        json.WriteStartArray(name);
        foreach (int number in numbers)
        {
            json.WriteNumberValue(number);
        }

        json.WriteEndArray();
    }
}

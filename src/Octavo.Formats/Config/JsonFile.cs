using System.Text.Json;
using System.Text.Unicode;

namespace Octavo.Formats;

/// <summary>Reads a JSON object from a file of someone else's making.</summary>
internal static class JsonFile
{
    /// <summary>
    /// The file's object, free of its document. Every name and string in it can be read without an exception.
    /// </summary>
    public static JsonElement ReadObject(string path, int maxLength, bool allowDuplicates) =>
        ParseObject(path, ReadBytes(path, maxLength), allowDuplicates);

    /// <summary>The object in some bytes of a file.</summary>
    public static JsonElement ParseObject(string path, byte[] bytes, bool allowDuplicates)
    {
        ReadOnlyMemory<byte> json = PythonJson.ToJson(bytes);
        try
        {
            CheckStrings(path, json.Span);
            var options = new JsonDocumentOptions { AllowDuplicateProperties = allowDuplicates };
            using JsonDocument document = JsonDocument.Parse(json, options);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? document.RootElement.Clone()
                : throw new CheckpointException(path, "must hold a JSON object");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new CheckpointException(path, $"is not valid JSON: {e.Message}", e);
        }
    }

    private static byte[] ReadBytes(string path, int maxLength)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
            if (stream.Length > maxLength)
            {
                throw new CheckpointException(path, $"has {stream.Length} bytes; at most {maxLength} make sense");
            }

            byte[] bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException(path, "there is no such file", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new CheckpointException(path, $"the file cannot be read: {e.Message}", e);
        }
    }

    // JsonElement reports bad UTF-8 and halved surrogate pairs only when a string is asked for; ask for all of them
    // now.
    private static void CheckStrings(string path, ReadOnlySpan<byte> json)
    {
        CheckpointException.ThrowIf(!Utf8.IsValid(json), path, "is not valid UTF-8");

        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped)
            {
                reader.GetString();
            }
        }
    }
}

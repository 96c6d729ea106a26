using System.Net;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;
using Octavo.Server.Protocols;

namespace Octavo.Server.Http;

/// <summary>Reads bodies.</summary>
internal static class RequestBody
{
    private const string JsonType = "application/json";

    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>Reads and parses a body: a JSON object in UTF-8 that says so.</summary>
    /// <exception cref="ApiException">It is none.</exception>
    public static async Task<JsonDocument> ParseAsync(HttpContext context)
    {
        CheckContentType(context.Request.Headers.ContentType);
        var buffer = new MemoryStream((int)Math.Min(context.Request.ContentLength ?? 0, 1 << 20));

        // No token: Kestrel ends a read with its connection, and does not recover from one that a token called off.
        await context.Request.Body.CopyToAsync(buffer, CancellationToken.None);
        ReadOnlyMemory<byte> bytes = buffer.GetBuffer().AsMemory(0, (int)buffer.Length);
        CheckUtf8(bytes.Span);
        return Parse(bytes.Span.StartsWith(ByteOrderMark) ? bytes[ByteOrderMark.Length..] : bytes);
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> bytes)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(bytes);
        }
        catch (JsonException e)
        {
            throw ApiException.BadRequest(
                null,
                $"the body is not valid JSON: line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}: {Reason(e)}",
                "invalid_json");
        }

        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            document.Dispose();
            throw ApiException.BadRequest(null, "the body must be a JSON object");
        }

        return document;
    }

    // A page of another site can have a browser post forms and plain text anywhere, but no JSON without being allowed
    // to; a body that says nothing is one that such a page can send, too.
    private static void CheckContentType(StringValues header)
    {
        if (MediaTypeHeaderValue.TryParse(header.ToString(), out MediaTypeHeaderValue? type)
            && (type.MediaType.Equals(JsonType, StringComparison.OrdinalIgnoreCase)
                || type.Suffix.Equals("json", StringComparison.OrdinalIgnoreCase)))
        {
            string charset = HeaderUtilities.RemoveQuotes(type.Charset).ToString();
            if (charset.Length == 0 || charset.ToUpperInvariant() is "UTF-8" or "UTF8" or "US-ASCII")
            {
                return;
            }

            throw Unsupported(
                $"JSON is read as UTF-8, not as {charset}: send it with the header Content-Type: {JsonType}");
        }

        string sent = header.Count == 0 ? "it has none" : $"it is {header}";
        throw Unsupported(
            $"the body's content type must be {JsonType}; {sent} (with curl: -H 'Content-Type: {JsonType}')");

        static ApiException Unsupported(string message) =>
            new(
                HttpStatusCode.UnsupportedMediaType,
                ApiException.InvalidRequest,
                null,
                "unsupported_media_type",
                message);
    }

    // Looked for in all bytes: the parser takes no notice of what stands in strings that nobody reads.
    private static void CheckUtf8(ReadOnlySpan<byte> bytes)
    {
        if (!Utf8.IsValid(bytes))
        {
            throw ApiException.BadRequest(
                null,
                $"the body is not valid UTF-8: byte {ValidPrefix(bytes) + 1} begins no character",
                "invalid_utf8");
        }
    }

    private static int ValidPrefix(ReadOnlySpan<byte> bytes)
    {
        int at = 0;
        while (System.Text.Rune.DecodeFromUtf8(
            bytes[at..], out _, out int length) == System.Buffers.OperationStatus.Done)
        {
            at += length;
        }

        return at;
    }

    // The reader's message ends with the position in its own words, counted from 0.
    private static string Reason(JsonException e)
    {
        int end = e.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return end < 0 ? e.Message : e.Message[..end];
    }
}

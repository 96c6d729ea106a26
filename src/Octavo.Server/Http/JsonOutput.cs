using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Octavo.Server.Protocols;

namespace Octavo.Server.Http;

/// <summary>Answers of JSON.</summary>
internal static class JsonOutput
{
    public static Task WriteAsync(HttpContext context, Action<Utf8JsonWriter> write) =>
        WriteAsync(context, StatusCodes.Status200OK, write);

    public static Task WriteErrorAsync(HttpContext context, ApiException error)
    {
        if (error.RetryAfter is { } wait)
        {
            context.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds)
                .ToString(CultureInfo.InvariantCulture);
        }

        return WriteAsync(context, (int)error.Status, error.Write);
    }

    private static async Task WriteAsync(HttpContext context, int status, Action<Utf8JsonWriter> write)
    {
        HttpResponse response = context.Response;
        response.StatusCode = status;
        response.ContentType = "application/json";
        await using (Utf8JsonWriter writer = JsonText.CreateWriter(response.BodyWriter))
        {
            write(writer);
        }

        await response.BodyWriter.FlushAsync(context.RequestAborted);
    }
}

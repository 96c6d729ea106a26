using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Octavo.Server.Http;

/// <summary>Server-sent events of JSON. Events pile up until they are flushed.</summary>
internal sealed class EventStream : IDisposable
{
    private readonly PipeWriter _output;
    private readonly Utf8JsonWriter _json;

    private EventStream(PipeWriter output)
    {
        _output = output;
        _json = JsonOutput.CreateWriter(output);
    }

    /// <summary>Sends the headers at once, so that the client knows that it was taken up.</summary>
    public static async Task<EventStream> StartAsync(HttpContext context)
    {
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        context.Response.ContentType = "text/event-stream; charset=utf-8";
        context.Response.Headers.CacheControl = "no-cache";
        await context.Response.StartAsync(context.RequestAborted);
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
        return new EventStream(context.Response.BodyWriter);
    }

    public void Write(Action<Utf8JsonWriter> write)
    {
        _output.Write("data: "u8);
        write(_json);
        _json.Flush();
        _json.Reset();
        _output.Write("\n\n"u8);
    }

    /// <summary>Writes a comment, which clients skip: it tells proxies that the stream lives.</summary>
    public void WriteKeepAlive() => _output.Write(": keep-alive\n\n"u8);

    public void WriteDone() => _output.Write("data: [DONE]\n\n"u8);

    public async Task FlushAsync(CancellationToken cancellationToken) => await _output.FlushAsync(cancellationToken);

    public void Dispose() => _json.Dispose();
}

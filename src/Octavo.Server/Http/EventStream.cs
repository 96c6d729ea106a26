using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Octavo.Server.Protocols;

namespace Octavo.Server.Http;

/// <summary>An answer of server-sent events, which pile up until they are flushed.</summary>
internal sealed class EventStream : IDisposable
{
    private readonly PipeWriter _output;

    private EventStream(PipeWriter output) => (_output, Events) = (output, new EventWriter(output));

    public EventWriter Events { get; }

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

    public async Task FlushAsync(CancellationToken cancellationToken) => await _output.FlushAsync(cancellationToken);

    public void Dispose() => Events.Dispose();
}

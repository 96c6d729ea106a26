using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Octavo.Server.Metrics;

/// <summary>What <c>/metrics</c> shows: the engine's meter, the HTTP requests, and the process.</summary>
internal sealed class ServerMetrics : IDisposable
{
    private static readonly string[] KnownMethods = [HttpMethods.Get, HttpMethods.Post, HttpMethods.Head, HttpMethods.Options, HttpMethods.Put, HttpMethods.Delete, HttpMethods.Patch];

    private readonly Meter _http = new("Octavo.Server");
    private readonly Counter<long> _requests;
    private readonly PrometheusExporter _exporter;

    public ServerMetrics(AsyncEngine engine)
    {
        // The labels that the engine puts on all it measures.
        KeyValuePair<string, object?>[] labels = [new("model_name", engine.Model.Name), new("engine", "0")];
        _requests = _http.CreateCounter<long>("http_requests", null, "HTTP requests answered, by method, handler and class of status.");
        _exporter = new PrometheusExporter([(engine.Meter, labels), (_http, null)]);
        _exporter.Expect(
            "vllm:request_success",
            Enum.GetValues<FinishReason>().Select(r => (KeyValuePair<string, object?>[])[.. labels, new("finished_reason", r.ToWireName())]));
    }

    /// <summary>Counts an answered request; the handler is a route's pattern, of which there are few.</summary>
    public void CountRequest(HttpContext context, string handler)
    {
        string method = Array.Find(KnownMethods, m => HttpMethods.Equals(m, context.Request.Method)) ?? "other";
        _requests.Add(
            1,
            new KeyValuePair<string, object?>("method", method),
            new KeyValuePair<string, object?>("handler", handler),
            new KeyValuePair<string, object?>("status", $"{context.Response.StatusCode / 100}xx"));
    }

    /// <summary>Answers <c>/metrics</c>.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        string text = _exporter.Write() + ProcessText();
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        await context.Response.BodyWriter.WriteAsync(Encoding.UTF8.GetBytes(text), context.RequestAborted);
    }

    public void Dispose()
    {
        _exporter.Dispose();
        _http.Dispose();
    }

    private static string ProcessText()
    {
        using var process = Process.GetCurrentProcess();
        var text = new StringBuilder();
        double started = new DateTimeOffset(process.StartTime).ToUnixTimeMilliseconds() / 1000.0;
        PrometheusExporter.WriteSingle(text, "process_cpu_seconds_total", "counter", "Processor time spent, user and system.", process.TotalProcessorTime.TotalSeconds);
        PrometheusExporter.WriteSingle(text, "process_resident_memory_bytes", "gauge", "Resident memory.", process.WorkingSet64);
        PrometheusExporter.WriteSingle(text, "process_virtual_memory_bytes", "gauge", "Virtual memory.", process.VirtualMemorySize64);
        PrometheusExporter.WriteSingle(text, "process_start_time_seconds", "gauge", "When the process began, in seconds since 1970.", started);
        return text.ToString();
    }
}

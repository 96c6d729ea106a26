using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Octavo.Server.Metrics;

/// <summary>What <c>/metrics</c> shows: the engine's meter, the HTTP requests, and the process.</summary>
internal sealed class ServerMetrics : IDisposable
{
    private static readonly string[] KnownMethods =
    [
        HttpMethods.Get, HttpMethods.Post, HttpMethods.Head, HttpMethods.Options, HttpMethods.Put, HttpMethods.Delete,
        HttpMethods.Patch
    ];

    // The bounds and labels of the middleware that vLLM uses: prometheus-fastapi-instrumentator.
    private static readonly double[] DurationBounds = [.1, .5, 1];

    private static readonly string[] PromptSources = ["local_compute", "local_cache_hit", "external_kv_transfer"];

    private readonly Meter _http = new("Octavo.Server");
    private readonly Counter<long> _requests;
    private readonly Histogram<double> _durations;
    private readonly PrometheusExporter _exporter;

    public ServerMetrics(AsyncEngine engine)
    {
        // The labels that the engine puts on all it measures.
        KeyValuePair<string, object?>[] labels = [new("model_name", engine.Model.Name), new("engine", "0")];
        _requests = _http.CreateCounter<long>(
            "octavo.http.requests", "{request}", "HTTP requests answered, by method, handler and class of status.");
        _durations = _http.CreateHistogram(
            "octavo.http.request.duration",
            "s",
            "From an HTTP request's head to its answer's last byte, by method and handler.",
            null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = DurationBounds });
        _exporter = new PrometheusExporter([(engine.Meter, labels), (_http, null)], VllmNames.Table);
        _exporter.Expect(
            "octavo.requests.finished",
            Enum.GetValues<FinishReason>().Select(
                r => (KeyValuePair<string, object?>[])[.. labels, new("finished_reason", r.ToWireName())]));
        _exporter.Expect(
            "octavo.prompt.tokens_by_source",
            PromptSources.Select(s => (KeyValuePair<string, object?>[])[.. labels, new("source", s)]));
    }

    /// <summary>Counts an answered request; the handler is a route's pattern, of which there are few.</summary>
    /// <param name="context">The request.</param>
    /// <param name="handler">What answered it.</param>
    /// <param name="duration">How long that took.</param>
    public void CountRequest(HttpContext context, string handler, TimeSpan duration)
    {
        var method = new KeyValuePair<string, object?>(
            "method", Array.Find(KnownMethods, m => HttpMethods.Equals(m, context.Request.Method)) ?? "other");
        var answeredBy = new KeyValuePair<string, object?>("handler", handler);
        _requests.Add(
            1,
            method,
            answeredBy,
            new KeyValuePair<string,
            object?>("status", $"{context.Response.StatusCode / 100}xx"));
        _durations.Record(duration.TotalSeconds, method, answeredBy);
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
        PrometheusExporter.WriteSingle(
            text,
            "process_cpu_seconds_total",
            "counter",
            "Processor time spent, user and system.",
            process.TotalProcessorTime.TotalSeconds);
        PrometheusExporter.WriteSingle(
            text, "process_resident_memory_bytes", "gauge", "Resident memory.", process.WorkingSet64);
        PrometheusExporter.WriteSingle(
            text, "process_virtual_memory_bytes", "gauge", "Virtual memory.", process.VirtualMemorySize64);
        PrometheusExporter.WriteSingle(
            text, "process_start_time_seconds", "gauge", "When the process began, in seconds since 1970.", started);
        return text.ToString();
    }
}

using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text.RegularExpressions;
using Octavo.Server.Metrics;

namespace Octavo.Server.Tests;

public sealed class MetricsTests
{
    /// <summary>The sum of a family's series.</summary>
    internal static async Task<double> ValueAsync(TestServer server, string name) =>
        (await server.Http.GetStringAsync("/metrics")).Split('\n')
            .Where(l => l.StartsWith(name, StringComparison.Ordinal) && l[name.Length] is ' ' or '{')
            .Sum(l => double.Parse(l[(l.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));

    [Fact]
    public async Task Metrics_Untouched_ShowZeroesUnderTheirLabels()
    {
        await using TestServer server = await TestServer.StartAsync();
        using HttpResponseMessage response = await server.Http.GetAsync("/metrics");
        response.Content.Headers.ContentType!.ToString().ShouldBe("text/plain; version=0.0.4; charset=utf-8");
        string text = await response.Content.ReadAsStringAsync();
        text.ShouldContain("# TYPE vllm:generation_tokens_total counter\nvllm:generation_tokens_total{model_name=\"tales\",engine=\"0\"} 0\n");
        text.ShouldContain("vllm:num_requests_running{model_name=\"tales\",engine=\"0\"} 0\n");
        text.ShouldContain("vllm:time_to_first_token_seconds_bucket{model_name=\"tales\",engine=\"0\",le=\"+Inf\"} 0\n");
        text.ShouldContain("vllm:request_success_total{model_name=\"tales\",engine=\"0\",finished_reason=\"stop\"} 0\n");
        text.ShouldContain("# TYPE vllm:iteration_tokens_total histogram\n");
        text.ShouldContain("process_resident_memory_bytes ");
    }

    [Fact]
    public async Task Metrics_AfterRequests_CountThem()
    {
        await using TestServer server = await TestServer.StartAsync();
        await server.CompleteAsync("""{"prompt": "Once upon a time", "max_tokens": 7, "ignore_eos": true}""");
        await server.FailAsync("/v1/completions", "{}");
        (await ValueAsync(server, "vllm:generation_tokens_total")).ShouldBe(7);
        (await ValueAsync(server, "vllm:prompt_tokens_total")).ShouldBe(5);
        (await ValueAsync(server, "vllm:time_to_first_token_seconds_count")).ShouldBe(1);
        (await ValueAsync(server, "vllm:inter_token_latency_seconds_count")).ShouldBe(6);
        string text = await server.Http.GetStringAsync("/metrics");
        text.ShouldContain("http_requests_total{method=\"POST\",handler=\"/v1/completions\",status=\"2xx\"} 1\n");
        text.ShouldContain("http_requests_total{method=\"POST\",handler=\"/v1/completions\",status=\"4xx\"} 1\n");
        text.ShouldContain("vllm:request_success_total{model_name=\"tales\",engine=\"0\",finished_reason=\"length\"} 1\n");
    }

    [Fact]
    public async Task Metrics_Written_SatisfyPromtool()
    {
        string? promtool = (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator)
            .Select(d => Path.Combine(d, "promtool")).FirstOrDefault(File.Exists);
        Assert.SkipWhen(promtool is null, "needs promtool (Debian package prometheus), which is not on the PATH");
        await using TestServer server = await TestServer.StartAsync();
        await server.CompleteAsync("""{"prompt": "Once upon a time", "max_tokens": 3}""");
        using var process = Process.Start(new ProcessStartInfo(promtool, "check metrics")
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        await process.StandardInput.WriteAsync(await server.Http.GetStringAsync("/metrics"));
        process.StandardInput.Close();
        string complaints = await process.StandardOutput.ReadToEndAsync() + await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();

        // vLLM's own names break two habits: they hold colons, and one histogram is called a total.
        complaints.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(l => !(l.StartsWith("vllm:", StringComparison.Ordinal) && l.Contains("should not contain ':'", StringComparison.Ordinal))
                && !l.StartsWith("vllm:iteration_tokens_total non-counter", StringComparison.Ordinal))
            .ShouldBeEmpty();
        process.ExitCode.ShouldBeOneOf(0, 3); // 3: only complaints about habits
    }

    [Fact]
    public void Exporter_AllKinds_WriteTheirFormat()
    {
        using var meter = new Meter("test");
        Counter<long> counter = meter.CreateCounter<long>("things", null, "Back\\slash and\nline.");
        Histogram<double> histogram = meter.CreateHistogram("seconds", null, "h", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 1] });
        UpDownCounter<int> level = meter.CreateUpDownCounter<int>("level");
        meter.CreateObservableGauge("heat", () => 1.5);
        using var other = new Meter("test");
        using var exporter = new PrometheusExporter([(meter, null)]);
        Counter<long> foreign = other.CreateCounter<long>("foreign");
        Counter<long> late = meter.CreateCounter<long>("late.name");

        counter.Add(2, new KeyValuePair<string, object?>("path", "a\"b\\c\nd"));
        histogram.Record(0.5);
        histogram.Record(0.7);
        histogram.Record(9);
        level.Add(5);
        level.Add(-2);
        foreign.Add(1);
        late.Add(1);

        exporter.Write().ShouldBe(
            """
            # HELP things_total Back\\slash and\nline.
            # TYPE things_total counter
            things_total{path="a\"b\\c\nd"} 2
            # HELP seconds h
            # TYPE seconds histogram
            seconds_bucket{le="0.5"} 1
            seconds_bucket{le="1"} 2
            seconds_bucket{le="+Inf"} 3
            seconds_sum 10.2
            seconds_count 3
            # HELP level level
            # TYPE level gauge
            level 3
            # HELP heat heat
            # TYPE heat gauge
            heat 1.5
            # HELP late_name_total late.name
            # TYPE late_name_total counter
            late_name_total 1

            """.ReplaceLineEndings("\n"),
            StringCompareShould.IgnoreLineEndings);
    }

    [Fact]
    public async Task Exporter_ManyThreads_LosesNothing()
    {
        using var meter = new Meter("test");
        Counter<long> counter = meter.CreateCounter<long>("things");
        Histogram<long> histogram = meter.CreateHistogram("sizes", null, null, null, new InstrumentAdvice<long> { HistogramBucketBoundaries = [10, 100] });
        using var exporter = new PrometheusExporter([(meter, [])]);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(t => Task.Run(() =>
        {
            for (int i = 0; i < 10_000; i++)
            {
                counter.Add(1, new KeyValuePair<string, object?>("kind", (i % 3).ToString(CultureInfo.InvariantCulture)));
                histogram.Record(i % 200);
                if (i % 2500 == 0)
                {
                    exporter.Write();
                }
            }
        })));
        string text = exporter.Write();
        Regex.Matches(text, "things_total\\{kind=.*\\} ([0-9]+)").Sum(m => int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture)).ShouldBe(80_000);
        text.ShouldContain("sizes_count 80000\n");
    }
}

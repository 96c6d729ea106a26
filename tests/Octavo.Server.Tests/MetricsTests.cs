using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text.RegularExpressions;
using Octavo.Server.Metrics;

namespace Octavo.Server.Tests;

public sealed class MetricsTests(ServerFixture fixture)
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
        text.ShouldContain("# TYPE vllm:generation_tokens_total "
            + "counter\nvllm:generation_tokens_total{model_name=\"tales\",engine=\"0\"} 0\n");
        text.ShouldContain("vllm:num_requests_running{model_name=\"tales\",engine=\"0\"} 0\n");
        text.ShouldContain(
            "vllm:time_to_first_token_seconds_bucket{model_name=\"tales\",engine=\"0\",le=\"+Inf\"} 0\n");
        text.ShouldContain(
            "vllm:request_success_total{model_name=\"tales\",engine=\"0\",finished_reason=\"stop\"} 0\n");
        text.ShouldContain("# TYPE vllm:iteration_tokens_total histogram\n");
        text.ShouldContain("process_resident_memory_bytes ");
    }

    [Fact]
    public async Task Metrics_Families_HaveVllmsNames()
    {
        string text = await fixture.Client.Http.GetStringAsync("/metrics");
        Regex.Matches(text, "(?<=^# TYPE ).*$", RegexOptions.Multiline).Select(m => m.Value).ShouldBe(
            """
            vllm:num_requests_running gauge
            vllm:num_requests_waiting gauge
            vllm:num_requests_waiting_by_reason gauge
            vllm:kv_cache_usage_perc gauge
            vllm:cache_config_info gauge
            octavo_step_time_error gauge
            octavo_step_time_coefficient_seconds gauge
            octavo_batching_max_num_seqs gauge
            octavo_batching_max_prefill_tokens gauge
            octavo_batching_targets_met gauge
            octavo_step_time_seconds histogram
            octavo_step_time_ratio histogram
            vllm:prompt_tokens_total counter
            vllm:prompt_tokens_cached_total counter
            vllm:generation_tokens_total counter
            vllm:num_preemptions_total counter
            vllm:prefix_cache_queries_total counter
            vllm:prefix_cache_hits_total counter
            vllm:request_success_total counter
            vllm:prompt_tokens_by_source_total counter
            vllm:iteration_tokens_total histogram
            vllm:time_to_first_token_seconds histogram
            vllm:inter_token_latency_seconds histogram
            vllm:request_time_per_output_token_seconds histogram
            vllm:e2e_request_latency_seconds histogram
            vllm:request_queue_time_seconds histogram
            vllm:request_inference_time_seconds histogram
            vllm:request_prefill_time_seconds histogram
            vllm:request_decode_time_seconds histogram
            vllm:request_prompt_tokens histogram
            vllm:request_generation_tokens histogram
            vllm:request_max_num_generation_tokens histogram
            vllm:request_prefill_kv_computed_tokens histogram
            vllm:request_params_max_tokens histogram
            vllm:request_params_n histogram
            vllm:request_num_preemptions histogram
            http_requests_total counter
            http_request_duration_seconds histogram
            process_cpu_seconds_total counter
            process_resident_memory_bytes gauge
            process_virtual_memory_bytes gauge
            process_start_time_seconds gauge
            """.ReplaceLineEndings("\n").Split('\n'));
        VllmNames.Table.Values.ShouldBeUnique();
    }

    [Fact]
    public async Task Instruments_OfTheEngine_AreNamedAsOpenTelemetryHasIt()
    {
        List<Instrument> instruments = [];
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, _) =>
        {
            if (instrument.Meter == fixture.Engine.Meter)
            {
                instruments.Add(instrument);
            }
        };
        listener.Start();
        await fixture.Client.CompleteAsync("""{"prompt": "a", "max_tokens": 1}""");
        instruments.Count.ShouldBeGreaterThan(30);
        instruments.ShouldAllBe(i => Regex.IsMatch(i.Name, "^octavo(\\.[a-z][a-z0-9_]*)+$"));
        Instrument first = instruments.Single(i => i.Name == "octavo.request.time_to_first_token");
        first.Unit.ShouldBe("s");

        // Whatever the table names is there, and no name is a space of names, too.
        string[] names = [.. instruments.Select(i => i.Name)];
        VllmNames.Table.Keys.Where(k => !k.StartsWith("octavo.http.", StringComparison.Ordinal))
            .ShouldBeSubsetOf(names);
        names.Where(n => names.Any(o => o.StartsWith(n + ".", StringComparison.Ordinal))).ShouldBeEmpty();
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
        text.ShouldContain(
            "vllm:request_success_total{model_name=\"tales\",engine=\"0\",finished_reason=\"length\"} 1\n");
    }

    [Fact]
    public async Task Metrics_OfVllm_AreAllThere()
    {
        await using TestServer server = await TestServer.StartAsync(new EngineOptions
        {
            Model = new() { MaxModelLen = 512 },
            Memory = new() { KvCacheMemory = 64 << 20 },
        });
        string prompt = string.Join(' ', Enumerable.Repeat("tale", 40));
        await server.CompleteAsync($$"""{"prompt": "{{prompt}}", "max_tokens": 7, "ignore_eos": true}""");
        await server.CompleteAsync($$"""{"prompt": "{{prompt}}", "max_tokens": 5, "n": 2, "ignore_eos": true}""");
        string text = await server.Http.GetStringAsync("/metrics");
        const string Labels = "model_name=\"tales\",engine=\"0\"";
        text.ShouldContain($"vllm:num_requests_waiting_by_reason{{{Labels},reason=\"capacity\"}} 0\n");
        text.ShouldContain($"vllm:num_requests_waiting_by_reason{{{Labels},reason=\"deferred\"}} 0\n");
        text.ShouldContain($"vllm:prompt_tokens_by_source_total{{{Labels},source=\"external_kv_transfer\"}} 0\n");
        text.ShouldContain($"vllm:request_num_preemptions_bucket{{{Labels},le=\"1.0\"}} 3\n");
        text.ShouldContain($"vllm:request_num_preemptions_bucket{{{Labels},le=\"20.0\"}} 3\n");
        text.ShouldContain($"vllm:time_to_first_token_seconds_bucket{{{Labels},le=\"0.001\"}}");
        text.ShouldContain($"vllm:request_max_num_generation_tokens_sum{{{Labels}}} 12\n");
        text.ShouldContain($"vllm:request_max_num_generation_tokens_count{{{Labels}}} 2\n");
        text.ShouldContain($"vllm:request_params_n_sum{{{Labels}}} 3\n");
        text.ShouldContain(
            "http_request_duration_seconds_bucket{method=\"POST\",handler=\"/v1/completions\",le=\"1.0\"}");
        text.ShouldContain("http_request_duration_seconds_count{method=\"POST\",handler=\"/v1/completions\"} 2\n");
        int tokens = server.Engine.Model.NumBlocks * server.Engine.Model.BlockSize;
        text.ShouldContain($"kv_cache_size_tokens=\"{tokens}\"");
        Regex.Match(text, "kv_cache_max_concurrency=\"([0-9.]+)\"").Groups[1].Value.ShouldBe(
            (tokens / 512.0).ToString(tokens % 512 == 0 ? "F1" : "R", CultureInfo.InvariantCulture));

        double all = await ValueAsync(server, "vllm:prompt_tokens_total"), cached = await ValueAsync(
            server, "vllm:prompt_tokens_cached_total");
        cached.ShouldBeGreaterThan(0);
        (await ValueAsync(server, "vllm:prompt_tokens_by_source_total")).ShouldBe(all);
        text.ShouldContain($"vllm:prompt_tokens_by_source_total{{{Labels},source=\"local_cache_hit\"}} {cached}\n");
        (await ValueAsync(server, "vllm:request_prefill_kv_computed_tokens_sum")).ShouldBe(all - cached);
        (await ValueAsync(server, "vllm:iteration_tokens_total_sum")).ShouldBe(all + 7 + 10);
    }

    [Fact]
    public async Task HistogramBuckets_Custom_ReplaceAFamilys()
    {
        await using TestServer server = await TestServer.StartAsync(new EngineOptions
        {
            Metrics = new()
            {
                CustomHistogramBuckets = new Dictionary<string, IReadOnlyList<double>>
                {
                    ["request_latency"] = [0.01, 2, 1e6],
                    ["request_tokens"] = [0.5, 100],
                },
            },
        });
        string text = await server.Http.GetStringAsync("/metrics");
        Bounds("vllm:e2e_request_latency_seconds").ShouldBe(["0.01", "2.0", "1e+06", "+Inf"]);
        Bounds("vllm:request_queue_time_seconds").ShouldBe(["0.01", "2.0", "1e+06", "+Inf"]);
        Bounds("vllm:request_prompt_tokens").ShouldBe(["0.5", "100.0", "+Inf"]);
        Bounds("vllm:request_params_n").ShouldBe(["1.0", "2.0", "5.0", "10.0", "20.0", "+Inf"]);

        string[] Bounds(string name) =>
            [.. Regex.Matches(text, $"^{name}_bucket.*le=\"([^\"]+)\"", RegexOptions.Multiline)
                .Select(m => m.Groups[1].Value)];
    }

    [Theory]
    [InlineData(0.00001, "1e-05")]
    [InlineData(0.0001, "0.0001")]
    [InlineData(16384, "16384.0")]
    [InlineData(100000, "100000.0")]
    [InlineData(1000000, "1e+06")]
    [InlineData(1250000, "1.25e+06")]
    [InlineData(double.PositiveInfinity, "+Inf")]
    public void LabelNumber_IsWrittenAsByThePythonClient(double value, string expected) =>
        PrometheusExporter.LabelNumber(value).ShouldBe(expected);

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
        string complaints = await process.StandardOutput.ReadToEndAsync() + await process.StandardError
            .ReadToEndAsync();
        await process.WaitForExitAsync();

        // vLLM's own names break two habits: they hold colons, and one histogram is called a total.
        complaints.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(l => !(l.StartsWith("vllm:", StringComparison.Ordinal)
                && l.Contains("should not contain ':'", StringComparison.Ordinal))
                && !l.StartsWith("vllm:iteration_tokens_total non-counter", StringComparison.Ordinal))
            .ShouldBeEmpty();
        process.ExitCode.ShouldBeOneOf(0, 3); // 3: only complaints about habits
    }

    [Fact]
    public void Exporter_AllKinds_WriteTheirFormat()
    {
        using var meter = new Meter("test");
        Counter<long> counter = meter.CreateCounter<long>("things", null, "Back\\slash and\nline.");
        Histogram<double> histogram = meter.CreateHistogram(
            "seconds", null, "h", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 1] });
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
            seconds_bucket{le="1.0"} 2
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
        Histogram<long> histogram = meter.CreateHistogram(
            "sizes", null, null, null, new InstrumentAdvice<long> { HistogramBucketBoundaries = [10, 100] });
        using var exporter = new PrometheusExporter([(meter, [])]);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(t => Task.Run(() =>
        {
            for (int i = 0; i < 10_000; i++)
            {
                counter.Add(
                    1, new KeyValuePair<string, object?>("kind", (i % 3).ToString(CultureInfo.InvariantCulture)));
                histogram.Record(i % 200);
                if (i % 2500 == 0)
                {
                    exporter.Write();
                }
            }
        })));
        string text = exporter.Write();
        Regex.Matches(text, "things_total\\{kind=.*\\} ([0-9]+)")
            .Sum(m => int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture)).ShouldBe(80_000);
        text.ShouldContain("sizes_count 80000\n");
    }
}

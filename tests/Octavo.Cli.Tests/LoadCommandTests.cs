using System.Text.Json;
using Octavo.Cli.Options;

namespace Octavo.Cli.Tests;

/// <summary>
/// The commands that put a load on a model: <c>simulate</c>, <c>tune</c> and <c>bench batching</c>, small and real.
/// </summary>
public sealed class LoadCommandTests : IDisposable
{
    private const string StepTime = "0.003,0.0001,0.0002,0.00025,0.00008,0.0009,0.0004";
    private static readonly string[] SmallTune =
        ["tune", "--time", "1s", "--workload", "saturating requests=40 prompt=20 output=uniform:5:40"];
    private readonly string _folder = Directory.CreateTempSubdirectory("octavo-load-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Simulate_Replicas_SameFiguresEachTime()
    {
        string[] command =
        [
            "simulate", "--step-time", StepTime, "--replicas", "3", "--routing", "least-loaded", "--workload",
            "gamma rate=20 requests=60 output=uniform:5:50 clients=3"
        ];

        CliResult first = await CliProcess.RunAsync(command);
        CliResult second = await CliCall.RunAsync(command);

        first.Code.ShouldBe(0, first.Error);
        first.Output.ShouldContain("60 requests, 3 replicas");
        first.Output.ShouldContain("step time   " + StepTime.Replace("0.00008", "8E-05", StringComparison.Ordinal));
        first.Output.ShouldContain("step noise  0.03");
        second.Output.ShouldBe(first.Output);
        CliResult noisy = await CliCall.RunAsync([.. command, "--step-noise", "0.2"]);
        noisy.Output.ShouldContain("step noise  0.2");
        Table(noisy).ShouldNotBe(Table(first));
        CliResult one = await CliCall.RunAsync([.. command, "--max-num-seqs", "1"]);
        Table(one).ShouldNotBe(Table(first));

        static string Table(CliResult result) =>
            result.Output[result.Output.IndexOf("60 requests", StringComparison.Ordinal)..];
    }

    [Fact]
    public async Task Simulate_Json_IsOneObjectAndNothingElse()
    {
        CliResult load = await CliCall.RunAsync(
            "simulate",
            "--step-time",
            StepTime,
            "--json",
            "--workload",
            "gamma rate=20 requests=60 output=uniform:5:50");
        CliResult scenarios = await CliCall.RunAsync(
            "simulate", "--step-time", StepTime, "--json", "--scenarios", "--only", "light", "--seconds", "1");

        load.Code.ShouldBe(0, load.Error);
        using JsonDocument json = JsonDocument.Parse(load.Output);
        json.RootElement.GetProperty("step_time").GetArrayLength().ShouldBe(7);
        json.RootElement.GetProperty("requests").GetInt32().ShouldBe(60);
        json.RootElement.GetProperty("simulated").GetProperty("completed").GetInt32().ShouldBe(60);
        json.RootElement.GetProperty("simulated").GetProperty("tokens_per_second").GetDouble().ShouldBeGreaterThan(0);
        json.RootElement.TryGetProperty("measured", out _).ShouldBeFalse();
        scenarios.Code.ShouldBe(0, scenarios.Error);
        using JsonDocument many = JsonDocument.Parse(scenarios.Output);
        JsonElement light = many.RootElement.GetProperty("simulated").EnumerateArray().ShouldHaveSingleItem();
        light.GetProperty("scenario").GetString()!.ShouldStartWith("light");
        light.GetProperty("settings").EnumerateArray().Count(s => s.GetProperty("batching").GetString() == "adaptive")
            .ShouldBe(1);
    }

    [Fact]
    public async Task Simulate_WithoutStepTimes_MeasuresThem()
    {
        CliResult result =
            await CliCall.RunAsync("simulate", Small(), "--workload", "saturating requests=10", "--json");

        result.Code.ShouldBe(0, result.Error);
        using JsonDocument json = JsonDocument.Parse(result.Output);
        json.RootElement.GetProperty("step_time").EnumerateArray().Sum(c => c.GetDouble()).ShouldBeGreaterThan(0);
        json.RootElement.GetProperty("simulated").GetProperty("completed").GetInt32().ShouldBe(10);
    }

    [Fact]
    public async Task Simulate_CheckOnATrace_ShowsBothAndTheirRatio()
    {
        string trace = Path.Combine(_folder, "trace.csv");
        await File.WriteAllLinesAsync(
            trace, ["seconds,prompt,output,client", .. Enumerable.Range(0, 20)
                .Select(i => $"{i * 0.01},{10 + i},{5 + i},{(i % 2 == 0 ? "a" : "b")}")]);

        CliResult result = await CliCall.RunAsync(
            "simulate", "--step-time", StepTime, "--workload", "trace=" + trace, "--check");

        result.Code.ShouldBe(0, result.Error);
        foreach (string word in new[] { "20 requests, 1 replicas", "simulated", "measured", "simulated over" })
        {
            result.Output.ShouldContain(word);
        }
    }

    [Fact]
    public async Task SimulateScenarios_Check_ShowsSimulatedAndMeasuredAndDrawsBoth()
    {
        // As of a machine that is slow, so that few requests come in the second.
        const string slow = "0.015,0.0005,0.001,0.00125,0.0004,0.0045,0.002";
        string chart = Path.Combine(_folder, "chart.svg");

        CliResult result = await CliCall.RunAsync(
            "simulate", Small(), "--step-time", slow, "--scenarios", "--check", "--only", "light,bursts", "--seconds",
            "1", "--target-itl", "200ms", "--target-ttft", "5s", "--rounds", "2", "--chart", chart);

        result.Code.ShouldBe(0, result.Error);
        foreach (string word in new[]
        {
            "simulated: 200 ms between tokens (p95), 5 s to the first", "measured: 200 ms", "light",
            "bursts of 10 times", "best single: "
        })
        {
            result.Output.ShouldContain(word);
        }

        result.Output.ShouldNotContain("mixed");
        string svg = await File.ReadAllTextAsync(chart);
        System.Xml.Linq.XDocument.Parse(svg).Root!.Name.LocalName.ShouldBe("svg");
        svg.Split("<g ").Length.ShouldBe(1 + 2);
        svg.ShouldNotContain("NaN");
    }

    [Theory]
    [InlineData("--only, --seconds and --chart go with --scenarios", "--chart", "x.svg")]
    [InlineData("--step-noise must be between 0 and 0.3; it is 0.5", "--step-noise", "0.5")]
    [InlineData("--rounds goes with --check", "--scenarios", "--rounds", "2")]
    [InlineData(
        "--only takes words with commas between, of light, moderate, saturating, bursts, ramp, mixed", "--scenarios",
        "--only", "heavy")]
    [InlineData("--seconds must be between 1 and 3600", "--scenarios", "--seconds", "0.5")]
    [InlineData("--chart /nowhere/x.svg: there is no directory /nowhere", "--scenarios", "--chart", "/nowhere/x.svg")]
    public async Task SimulateScenarios_BadArguments_AreNamed(string message, params string[] arguments)
    {
        CliResult result = await CliCall.RunAsync(["simulate", "--step-time", StepTime, .. arguments]);

        result.Code.ShouldBe(2);
        result.Error.ShouldContain(message);
    }

    [Fact]
    public async Task BenchBatching_Small_ComparesAllThree()
    {
        CliResult result = await CliCall.RunAsync(
            "bench", "batching", "--model", "tales", "--requests", "12", "--rounds", "1", "--batches", "2,4",
            "--workload", "prompt=8 output=uniform:2:20", "--json");

        result.Code.ShouldBe(0, result.Error);
        using JsonDocument json = JsonDocument.Parse(result.Output);
        json.RootElement.GetProperty("requests").GetInt32().ShouldBe(12);
        json.RootElement.GetProperty("sampling").GetString().ShouldBe("greedy");
        JsonElement[] batches = [.. json.RootElement.GetProperty("batches").EnumerateArray()];
        batches.Select(b => b.GetProperty("batch").GetInt32()).ShouldBe([2, 4]);
        foreach (string kind in new[] { "static", "dropping", "continuous" })
        {
            batches.ShouldAllBe(b => b.GetProperty(kind + "_tokens_per_second").GetDouble() > 0);
        }
    }

    [Fact]
    public async Task BenchBatching_Sampling_IsDrawnSo()
    {
        CliResult result = await CliCall.RunAsync(
            "bench", "batching", "--model", "tales", "--requests", "6", "--rounds", "1", "--batches", "2", "--workload",
            "prompt=8 output=4", "--sampling", "top-p=0.9,temperature=0.8");

        result.Code.ShouldBe(0, result.Error);
        string.Join(' ', result.Output.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries))
            .ShouldContain("drawn top-p=0.9,temperature=0.8");
    }

    [Fact]
    public async Task BenchSampling_Small_TimesEachWayBesideReading()
    {
        string[] command =
        [
            "bench", "sampling", "--vocabularies", "200000", "--rows", "1,8", "--threads", "2", "--sampling",
            "top-p=0.9,top-k=50", "--sampling", "greedy,logprobs=5",
        ];

        CliResult table = await CliCall.RunAsync(command);
        CliResult result = await CliCall.RunAsync([.. command, "--json"]);

        table.Code.ShouldBe(0, table.Error);
        table.Output.ShouldContain("drawing tokens, 2 threads");
        table.Output.ShouldContain("200,000");
        result.Code.ShouldBe(0, result.Error);
        using JsonDocument json = JsonDocument.Parse(result.Output);
        json.RootElement.GetProperty("threads").GetInt32().ShouldBe(2);
        JsonElement[] found = [.. json.RootElement.GetProperty("sampling").EnumerateArray()];
        found.Select(f => (
            f.GetProperty("logits").GetString(),
            f.GetProperty("sampling").GetString(),
            f.GetProperty("rows").GetInt32())).ShouldBe(
            from logits in new[] { "flat", "peaked" }
            from sampling in new[] { "top-p=0.9,top-k=50", "greedy,logprobs=5" }
            from rows in new[] { 1, 8 }
            select (logits, sampling, rows));
        found.ShouldAllBe(f => f.GetProperty("read_seconds").GetDouble() > 0
            && f.GetProperty("reads_a_row").GetDouble() > f.GetProperty("seconds").GetDouble());
    }

    [Fact]
    public async Task Tune_Small_WritesSettingsPageAndJson()
    {
        string settings = Path.Combine(_folder, "settings.json"), page = Path.Combine(_folder, "page.html");

        // The page names the process's own command line.
        CliResult result =
            await CliProcess.RunAsync(
                [
                    .. SmallTune,
                    Small(),
                    "--target-itl",
                    "5s",
                    "--target-ttft",
                    "20s",
                    "--output",
                    settings,
                    "--report",
                    page,
                    "--json"
                ]);

        result.Code.ShouldBe(0, result.Error);
        using JsonDocument json = JsonDocument.Parse(result.Output);
        JsonElement best = json.RootElement.GetProperty("best");
        JsonElement[] final = [.. json.RootElement.GetProperty("final").EnumerateArray()];
        final.Count(f => f.GetProperty("batching").GetString() == "adaptive").ShouldBe(1);
        final.ShouldAllBe(f => f.GetProperty("runs").GetInt32() == 5
            && f.GetProperty("goodput").GetProperty("half_width_95").GetDouble() >= 0);
        final.Where(f => f.GetProperty("batching").GetString() == "fixed")
            .Max(f => f.GetProperty("goodput").GetProperty("mean").GetDouble()).ShouldBeGreaterThan(0);
        json.RootElement.GetProperty("confirmation").GetProperty("best").GetProperty("runs").GetInt32()
            .ShouldBeInRange(5, 15);
        SchedulingOptions scheduling = SettingsFile.Read(settings, EngineSettings.Steps).Scheduling;
        scheduling.Batching.ShouldBe(BatchingMode.Fixed);
        scheduling.MaxNumSeqs.ShouldBe(best.GetProperty("max_num_seqs").GetInt32());
        scheduling.MaxNumBatchedTokens.ShouldBe(best.GetProperty("max_num_batched_tokens").GetInt32());
        scheduling.Targets.InterToken.ShouldBe(TimeSpan.FromSeconds(5));
        scheduling.Targets.FirstToken.ShouldBe(TimeSpan.FromSeconds(20));
        string html = await File.ReadAllTextAsync(page);
        html.ShouldContain("<div class=\"scroll\"><svg");
        html.ShouldContain("<polyline class=\"frontier\" points=\"");
        html.ShouldContain("<meta name=\"viewport\"");
        html.ShouldContain("octavo tune --time 1s --workload &quot;saturating");
        bool isDefault = best.GetProperty("max_num_seqs").GetInt32() == 128
            && best.GetProperty("max_num_batched_tokens").GetInt32() == 2048;
        html.ShouldContain(isDefault ? "(best fixed, vLLM&#39;s defaults)" : "(best fixed)");
        html.ShouldNotContain("http");
        html.ShouldNotContain("NaN");
        Directory.GetFiles(_folder).Order().ShouldBe([page, settings]);        // the state is gone
    }

    [Fact]
    public async Task Tune_Interrupted_TheSameCommandGoesOn()
    {
        string settings = Path.Combine(_folder, "settings.json"), state = settings + ".state";
        string[] command = [.. SmallTune, Small(), "--output", settings];

        CliResult stopped = await CliProcess.InterruptWhenAsync(() => File.Exists(state), command);
        stopped.Code.ShouldBe(130, stopped.Error);
        int known = JsonDocument.Parse(await File.ReadAllTextAsync(state)).RootElement.GetProperty("runs")
            .GetArrayLength();
        CliResult other = await CliCall.RunAsync([.. command, "--target-itl", "50ms"]);
        other.Code.ShouldBe(2);
        other.Error.ShouldContain("--target-itl not given there, 50ms here");
        File.Exists(settings).ShouldBeFalse();
        CliResult done = await CliCall.RunAsync(command);

        done.Code.ShouldBe(0, done.Error);
        done.Error.ShouldContain($"{known} runs are known");
        done.Output.ShouldContain("best fixed limits: --max-num-seqs ");
        done.Output.ShouldContain("adaptive batching, serve's default, gets ");
        Directory.GetFiles(_folder).ShouldBe([settings]);
    }

    [Theory]
    [InlineData(
        "--workload: a workload has no 'colour'; it takes: poisson|", "simulate", "--step-time", StepTime, "--workload",
        "poisson colour=red")]
    [InlineData("--workload: a workload has no 'colour'", "tune", "--workload", "colour=red")]
    [InlineData(
        "--workload: a workload has no 'colour'", "bench", "batching", "--model", "tales", "--workload", "colour=red")]
    [InlineData(
        "--workload: rate of a workload must be a number from 1E-06 to 1000000; it is 'fast'", "tune", "--workload",
        "rate=fast")]
    [InlineData("--workload: a length is N, uniform:LOW:HIGH or lognormal:MEAN:SIGMA:MOST, all at least 1; it is "
        + "'long'", "tune", "--workload", "prompt=long")]
    [InlineData("no-such.csv", "tune", "--workload", "trace=FOLDER/no-such.csv")]
    [InlineData("trace= takes a file's name", "simulate", "--step-time", StepTime, "--workload", "trace=")]
    [InlineData("line 2 of the trace is not", "simulate", "--step-time", StepTime, "--workload", "trace=BADTRACE")]
    [InlineData("--step-time takes 7 numbers; it has 2", "simulate", "--step-time", "1,2")]
    [InlineData("--step-time takes numbers with commas between; it is '1,x'", "simulate", "--step-time", "1,x")]
    [InlineData("--replicas must be 1", "simulate", "--check", "--replicas", "2")]
    [InlineData("--target-itl takes a time", "tune", "--target-itl", "soon")]
    [InlineData("--time must be at least a second", "tune", "--time", "10ms")]
    [InlineData(
        "--output FOLDER/none/s.json: there is no directory FOLDER/none", "tune", "--output", "FOLDER/none/s.json")]
    [InlineData("--report FOLDER: that is a directory", "tune", "--report", "FOLDER")]
    [InlineData(
        "only --quantization, --threads and --max-model-len go with it", "tune", "135m", "--kv-cache-memory", "1GiB")]
    [InlineData("no such model directory or file: /no/such", "tune", "/no/such")]
    [InlineData("--batches must be from 1 to 512", "bench", "batching", "--batches", "0")]
    [InlineData("'max_num_sequences' is unknown; ", "serve", "--settings", """{"max_num_sequences": 4}""")]
    [InlineData(
        "max_num_seqs: --max-num-seqs takes a whole number; it is 'many'", "serve", "--settings",
        """{"max_num_seqs": "many"}""")]
    [InlineData(
        "max_num_batched_tokens must be at least 1; it is -3", "serve", "--settings",
        """{"max_num_batched_tokens": -3}""")]
    [InlineData("target_itl must be above 0; it is 0s", "serve", "--settings", """{"target_itl_ms": 0}""")]
    [InlineData("'seed' stands there twice", "serve", "--settings", """{"seed": 1, "seed": 2}""")]
    [InlineData(
        "skip_tokenizer_init: takes true or false", "serve", "--settings", """{"skip_tokenizer_init": "yes"}""")]
    [InlineData("target_itl_ms: null is no value; leave it out", "serve", "--settings", """{"target_itl_ms": null}""")]
    [InlineData(
        "batching: --batching takes one of adaptive, fixed; it is 'static'", "serve", "--settings",
        """{"batching": "static"}""")]
    [InlineData(
        "client_weights: takes an object of keys and weights", "serve", "--settings", """{"client_weights": [1]}""")]
    [InlineData(
        "client_weights must be above 0 and below 1000000; it is 0", "serve", "--settings",
        """{"client_weights": {"alice": 0}}""")]
    [InlineData("it must hold one JSON object", "serve", "--settings", "[]")]
    [InlineData("--settings FOLDER/settings.json: it is not JSON: ", "serve", "--settings", "{")]
    [InlineData(
        "--client-weight takes KEY=WEIGHT with a weight above 0; it is 'alice=heavy'", "serve", "--client-weight",
        "alice=heavy")]
    [InlineData("--client-weight takes KEY=WEIGHT with a weight above 0; it is '=2'", "serve", "--client-weight", "=2")]
    public async Task BadInput_AnyOfIt_IsRefusedByName(string problem, params string[] args)
    {
        string trace = Path.Combine(_folder, "bad.csv"), settings = Path.Combine(_folder, "settings.json");
        await File.WriteAllTextAsync(trace, "0,1,1\n1,x,1\n");
        string[] words =
            [.. args.Select(a => a == "BADTRACE" ? trace : a.Replace("=BADTRACE", "=" + trace, StringComparison.Ordinal)
                .Replace("FOLDER", _folder, StringComparison.Ordinal))];
        if (args[^2] == "--settings")
        {
            await File.WriteAllTextAsync(settings, args[^1]);
            words[^1] = settings;
        }

        CliResult result = await CliCall.RunAsync(words);

        result.Code.ShouldBe(2);
        result.Output.ShouldBeEmpty();
        result.Error.ShouldStartWith("error: ");
        result.Error.ShouldContain(problem.Replace("FOLDER", _folder, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Simulate_UnknownRouting_NamesThoseThereAre() =>
        (await CliCall.RunAsync("simulate", "--routing", "random")).Error.ShouldContain(
            "round-robin, least-loaded, prefix-aware");

    /// <summary>Writes a model so small that a load is soon through.</summary>
    private string Small()
    {
        string model = Directory.CreateDirectory(Path.Combine(_folder, "model")).FullName;
        RandomDirectory.Write(model, layers: 1, width: 64);
        return model;
    }
}

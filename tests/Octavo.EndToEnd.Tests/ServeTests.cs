using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Octavo.Testing;

namespace Octavo.EndToEnd.Tests;

/// <summary>The server process under load, under bad input, and at its end.</summary>
public sealed partial class ServeTests
{
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromMinutes(10) };

    [Fact]
    public async Task Serve_SixtyFourStreamsInATinyPool_EqualTheirSoloRuns()
    {
        // 40 blocks of 32,768 bytes: one and a quarter sequences of the model's length, far less than 64 requests want.
        // Adaptive batching looks ahead and seldom preempts; here that is what is tested.
        using TalesVariant model = new TalesVariant().WithLayers(2);
        await using OctavoProcess server = await OctavoProcess.ServeAsync(
            model.Path, "--served-model-name", "tales",
            "--dtype", "float32", "--kv-cache-memory", "1310720", "--max-num-seqs", "64", "--batching", "fixed");
        var random = new Random(4);
        string[] bodies = [.. Enumerable.Range(0, 64).Select(i => JsonSerializer.Serialize(new
        {
            model = "tales",
            prompt = Enumerable.Range(0, random.Next(1, 160)).Select(_ => random.Next(4, 4096)).ToArray(),
            max_tokens = random.Next(1, 90),
            temperature = 0.8,
            seed = i,
            ignore_eos = true,
            stream = true,
            return_token_ids = true,
        }))];

        string[] together = await Task.WhenAll(bodies.Select(b => StreamAsync(server.Url, b)));

        (await MetricAsync(server.Url, "vllm:num_preemptions_total")).ShouldBeGreaterThan(0);
        (await MetricAsync(server.Url, "vllm:num_requests_running")).ShouldBe(0);
        (await MetricAsync(server.Url, "vllm:num_requests_waiting")).ShouldBe(0);
        (await MetricAsync(server.Url, "vllm:kv_cache_usage_perc")).ShouldBe(0);
        for (int i = 0; i < bodies.Length; i += 4)
        {
            (await StreamAsync(server.Url, bodies[i])).ShouldBe(together[i], $"request {i}");
        }
    }

    [Fact]
    public async Task Serve_Settings_AreThoseOfTheFileAndMemoryIsReported()
    {
        string file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(
                file,
                """{"batching": "fixed", "max_num_seqs": 5, "max_num_batched_tokens": 64, "client_weights": {"paid": 2}}""",
                TestContext.Current.CancellationToken);
            await using OctavoProcess server = await OctavoProcess.ServeAsync(
                "--settings", file, "--max-num-seqs", "7", "--client-weight", "free=0.5", "--memory-fraction", "0.3");

            // The command line goes first.
            server.Output.ShouldContain("batches  fixed: up to 7 requests and 64 tokens a step");
            server.Output.ShouldMatch(
                @"memory   \S+ \wiB in all, at most 30% of \S+ \wiB free at start \(.+; \S+ \wiB in all\)");
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task Serve_OptionsOfTheServer_ReachIt()
    {
        await using OctavoProcess server = await OctavoProcess.ServeAsync(
            "--allowed-hosts",
            "box.lan,llm.lan",
            "--cors-origins",
            "https://chat.example",
            "--cors-origins",
            "https://other.example",
            "--custom-histogram-buckets", """{"request_latency": [0.25, 3]}""", "--sse-keep-alive-interval", "5s");
        (await Http.GetStringAsync(new Uri(server.Url, "/metrics")))
            .ShouldContain("vllm:e2e_request_latency_seconds_bucket{model_name=\"tales\",engine=\"0\",le=\"3.0\"} 0");
        foreach ((string host, string origin, int expected) in new[]
        {
            (
                "llm.lan",
                "https://other.example",
                200), ("evil.lan", "https://chat.example", 403), ("box.lan", "https://evil.example", 403),
        })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Url, "/v1/models"));
            request.Headers.Host = host;
            request.Headers.Add("Origin", origin);
            using HttpResponseMessage response = await Http.SendAsync(request);
            ((int)response.StatusCode).ShouldBe(expected);
        }

        // Nobody typed where the bundled model lies.
        (await Http.GetStringAsync(new Uri(server.Url, "/v1/models"))).ShouldContain("\"root\":\"tales\"");
    }

    [Fact]
    public async Task Serve_BadRequests_AreRefusedAndThoseBesideThemFinish()
    {
        await using OctavoProcess server = await OctavoProcess.ServeAsync("--dtype", "float32");
        Task<string> beside = StreamAsync(
            server.Url,
            """{"model":"tales","prompt":"Once upon a time","max_tokens":200,"ignore_eos":true,"stream":true}""");
        (string Body, int Status, string Part)[] bad =
        [
            ("{", 400, "JSON"),
            ("""{"model":"tales"}""", 400, "prompt"),
            ("""{"model":"nobody","prompt":"x"}""", 404, "nobody"),
            ("""{"model":"tales","prompt":"x","temperature":-1}""", 400, "temperature"),
            ("""{"model":"tales","prompt":"x","temperature":"hot"}""", 400, "temperature"),
            ("""{"model":"tales","prompt":"x","top_p":2}""", 400, "top_p"),
            ("""{"model":"tales","prompt":"x","n":0}""", 400, "n"),
            ("""{"model":"tales","prompt":"x","max_tokens":0}""", 400, "max_tokens"),
            ("""{"model":"tales","prompt":"x","stream":"yes"}""", 400, "stream"),
            ("""{"model":"tales","prompt":[99999]}""", 400, "prompt"),
            (
                "{\"model\":\"tales\",\"prompt\":[" + string.Join(',', Enumerable.Repeat("7", 600)) + "]}",
                400,
                "maximum context length"),
        ];
        foreach ((string body, int status, string part) in bad)
        {
            using HttpResponseMessage response = await Http
                .PostAsync(
                    new Uri(server.Url, "/v1/completions"), new StringContent(body, Encoding.UTF8, "application/json"));
            string text = await response.Content.ReadAsStringAsync();
            ((int)response.StatusCode).ShouldBe(status, body + " → " + text);
            using JsonDocument document = JsonDocument.Parse(text);
            document.RootElement.GetProperty("error").GetProperty("message").GetString()!
                .ShouldContain(part, Case.Insensitive);
        }

        (await beside).ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Serve_ClientDisconnects_RequestIsAborted()
    {
        // Half a minute of work, so that it is still running when its client leaves, however slow the machine.
        await using OctavoProcess server = await OctavoProcess.ServeAsync("--generation-config", "vllm");
        string body =
            """{"model":"tales","prompt":"Once upon a time","max_tokens":500,"ignore_eos":true,"stream":true,"n":1000}""";
        using (var socket = new TcpClient(server.Url.Host, server.Url.Port))
        {
            NetworkStream stream = socket.GetStream();
            await stream.WriteAsync(Encoding.ASCII.GetBytes("POST /v1/completions HTTP/1.1\r\nHost: "
                + $"localhost\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
            (await stream.ReadAsync(new byte[100])).ShouldBeGreaterThan(0);
            await UntilAsync(
                async () => await MetricAsync(server.Url, "vllm:num_requests_running") > 0, "the request never ran");
        }

        await UntilAsync(
            async () => await MetricAsync(server.Url, "vllm:request_success_total") == 1000,
            "a completion has not ended");
        await UntilAsync(
            async () => await MetricAsync(server.Url, "vllm:num_requests_running") == 0, "the request still runs");
        (await MetricAsync(server.Url, "vllm:request_success_total", "abort")).ShouldBeGreaterThan(0);
        (await MetricAsync(server.Url, "vllm:num_requests_waiting")).ShouldBe(0);
    }

    [Fact]
    public async Task Serve_SigTerm_DrainsAndExitsCleanly()
    {
        await using OctavoProcess server = await OctavoProcess.ServeAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Url, "/v1/completions"))
        {
            Content = JsonContent.Create(new
            {
                model = "tales",
                prompt = "Once upon a time",
                max_tokens = 250,
                ignore_eos = true,
                stream = true,
                n = 16,
            }),
        };
        using HttpResponseMessage response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var events = new StreamReader(await response.Content.ReadAsStreamAsync());

        // The first of four thousand tokens: the request runs.
        (await events.ReadLineAsync())!.ShouldStartWith("data: {");
        server.Terminate();

        string[] rest = (await events.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        rest.Count(line => line.Contains("\"finish_reason\":\"length\"")).ShouldBe(16);
        rest[^1].ShouldBe("data: [DONE]");
        (await server.WaitForExitAsync()).ShouldBe(0, server.Output);
    }

    [Fact]
    public async Task Serve_NoTokenizerFiles_IdsInAndOut()
    {
        Golden golden = Golden.Require("llama");
        await using OctavoProcess server = await OctavoProcess
            .ServeAsync(golden.Directory, "--skip-tokenizer-init", "--served-model-name", "tiny");
        foreach (GoldenPrompt prompt in golden.Prompts)
        {
            using HttpResponseMessage response = await Http.PostAsJsonAsync(
                new Uri(server.Url, "/v1/completions"),
                new
                {
                    model = "tiny",
                    prompt = prompt.Ids,
                    max_tokens = prompt.GreedyIds.Length,
                    temperature = 0,
                    ignore_eos = true,
                    return_token_ids = true,
                });
            using JsonDocument document = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
            document.RootElement.GetProperty("choices")[0].GetProperty("token_ids").EnumerateArray()
                .Select(e => e.GetInt32()).ShouldBe(prompt.GreedyIds);
        }

        using HttpResponseMessage text =
            await Http.PostAsJsonAsync(
                new Uri(server.Url, "/v1/completions"), new { model = "tiny", prompt = "words" });
        text.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Serve_BadModelPath_SaysSoAndExitsWith2()
    {
        (int code, string output) = await OctavoProcess.RunAsync("serve", "/no/such/model");
        code.ShouldBe(2, output);
        output.ShouldContain("/no/such/model");
        output.ShouldNotContain("   at ");
    }

    [Fact]
    public async Task Serve_NoTokenizer_NamesTheWayOut()
    {
        using TalesVariant model = new TalesVariant().Without("tokenizer*");
        (int code, string output) = await OctavoProcess.RunAsync("serve", model.Path);
        code.ShouldBe(2, output);
        output.ShouldContain("tokenizer.json is missing");
        output.ShouldContain("skip-tokenizer-init");
    }

    [Fact]
    public async Task Serve_PortTaken_SaysSoAndExitsWith1()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        (int code, string output) = await OctavoProcess.RunAsync("serve", "--port", port.ToString());
        code.ShouldBe(1, output);
        output.ShouldContain(port.ToString());
        output.ShouldNotContain("   at ");
    }

    [Theory]
    [InlineData("--max-model-len", "100000")]
    [InlineData("--dtype", "int3")]
    [InlineData("--max-num-seqs", "0")]
    [InlineData("--no-such-option", "1")]
    public async Task Serve_BadOption_SaysSoAndExitsWith2(string option, string value)
    {
        (int code, string output) = await OctavoProcess.RunAsync("serve", option, value);
        code.ShouldBe(2, output);
        output.ShouldNotContain("   at ");
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, string otherwise)
    {
        for (int i = 0; !await condition(); i++)
        {
            i.ShouldBeLessThan(1000, otherwise);
        }
    }

    /// <summary>The whole body of a streamed answer, without what differs from call to call.</summary>
    private static async Task<string> StreamAsync(Uri url, string body)
    {
        using HttpResponseMessage response = await Http
            .PostAsync(new Uri(url, "/v1/completions"), new StringContent(body, Encoding.UTF8, "application/json"));
        string text = await response.Content.ReadAsStringAsync();
        response.StatusCode.ShouldBe(HttpStatusCode.OK, text);
        text.ShouldContain("data: [DONE]");
        return Varying().Replace(text, string.Empty);
    }

    private static async Task<double> MetricAsync(Uri url, string name, string label = "")
    {
        string metrics = await Http.GetStringAsync(new Uri(url, "/metrics"));
        return metrics.Split('\n')
            .Where(l => l.StartsWith(name + "{", StringComparison.Ordinal) && l.Contains(label))
            .Sum(l => double.Parse(l[(l.LastIndexOf(' ') + 1)..]));
    }

    [GeneratedRegex("\"(id|created)\":(\"[^\"]*\"|[0-9]+),?")]
    private static partial Regex Varying();
}

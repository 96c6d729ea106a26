using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Octavo.Engine;

namespace Octavo.Server.Tests;

public sealed class LifetimeTests(ServerFixture fixture)
{
    internal const string Long =
        """{"prompt": "Once upon a time", "n": 16, "temperature": 1, "max_tokens": 250, "ignore_eos": true, "stream": true}""";

    [Fact]
    public async Task Stop_WhileStreaming_FinishesItAndRefusesOthers()
    {
        // The engine stands still, so that the request is in flight for as long as it takes to look around.
        using var goOn = new ManualResetEventSlim();
        await using TestServer server = await TestServer.StartAsync(new EngineOptions
        {
            Sampling = new() { LogitsProcessors = [_ => (_, _) => goOn.Wait(TimeSpan.FromMinutes(5))] },
        });
        Task<List<JsonElement>> stream = server.StreamAsync("/v1/completions", Long);
        await UntilAsync(() => server.Engine.NumRequests == 1);
        Task stopping = server.Server.StopAsync();
        using HttpResponseMessage refused = await server.PostAsync("/v1/completions", """{"prompt": "Once"}""");
        ((int)refused.StatusCode).ShouldBe(503);
        refused.Headers.RetryAfter.ShouldNotBeNull();
        ((int)(await server.Http.GetAsync("/health")).StatusCode).ShouldBe(503);
        goOn.Set();
        List<JsonElement> events = await stream;
        events.Count(e => e.GetProperty("choices")[0].GetProperty("finish_reason").ValueKind == JsonValueKind.String)
            .ShouldBe(16);
        await stopping;
        await server.Server.WaitForShutdownAsync();
        await Should.ThrowAsync<HttpRequestException>(() => server.Http.GetAsync("/health"));
    }

    [Fact]
    public async Task Stop_PastItsTimeout_AbortsWhatRuns()
    {
        using var log = new RecordingLoggers();
        await using TestServer server = await TestServer
            .StartAsync(TestServer.Fixed, new ServerOptions { ShutdownTimeout = TimeSpan.Zero, LoggerFactory = log });
        Task<List<JsonElement>> stream = server.StreamAsync("/v1/completions", Long);
        await UntilAsync(() => server.Engine.NumRequests == 1);
        using var shutdown = new CancellationTokenSource();
        Task waiting = server.Server.WaitForShutdownAsync(shutdown.Token);
        await shutdown.CancelAsync();
        await waiting;
        List<JsonElement> events = await stream;
        events[^1].GetProperty("error").GetProperty("code").GetString().ShouldBe("shutting_down");
        await UntilAsync(() => server.Engine.NumRequests == 0);
        log.Troubles.ShouldBeEmpty();
    }

    [Fact]
    public async Task Engine_Stopped_IsAnErrorEventAndThen503()
    {
        using var log = new RecordingLoggers();
        await using TestServer server = await TestServer
            .StartAsync(TestServer.Fixed, new ServerOptions { LoggerFactory = log });
        Task<List<JsonElement>> stream = server.StreamAsync("/v1/completions", Long);
        await UntilAsync(() => server.Engine.NumRequests == 1);
        await server.Engine.DisposeAsync();
        (await stream)[^1].GetProperty("error").GetProperty("message").GetString()!.ShouldContain("stopped");
        (await server.FailAsync("/v1/completions", """{"prompt": "Once"}""")).Status.ShouldBe(503);
        log.Troubles.ShouldBeEmpty();
    }

    [Fact]
    public async Task Engine_Failed_Is500AndUnhealthy()
    {
        ModelInfo model = fixture.Engine.Model;
        var core = new LlmEngine(
            new BrokenRunner(
                model.VocabSize), fixture.Engine.Tokenizer, new LlmEngineOptions { MaxModelLen = model.MaxModelLen });
        await using TestServer server = await TestServer
            .ServeAsync(new AsyncEngine(core, fixture.Engine.Tokenizer, model));
        (int status, JsonElement error) = await server.FailAsync("/v1/completions", """{"prompt": "Once"}""");
        status.ShouldBe(500);
        error.GetProperty("code").GetString().ShouldBe("engine_failed");
        error.GetProperty("message").GetString()!.ShouldContain("broken");
        ((int)(await server.Http.GetAsync("/health")).StatusCode).ShouldBe(503);
    }

    [Theory]
    [InlineData("hook", 500, "broken")]
    [InlineData("request", 400, "no token is left")]
    public async Task Request_FailingInMidRun_HarmsNoOther(string kind, int expected, string message)
    {
        Exception failure = kind == "hook"
            ? new InvalidDataException("broken")
            : new InvalidRequestException("LogitBias", $"no token is left");
        var options = new EngineOptions
        {
            Sampling = new()
            {
                LogitsProcessors = [p => p.ExtraArgs?.ContainsKey("break") != true ? null : (output, _) =>
                {
                    if (output.Length == 3)
                    {
                        throw failure;
                    }
                }],
            },
        };
        await using TestServer server = await TestServer.StartAsync(options);
        Task<JsonElement> other = server.CompleteAsync(
            """{"prompt": "Once upon a time", "temperature": 0, "max_tokens": 14}""");
        (int status, JsonElement error) = await server
            .FailAsync("/v1/completions", """{"prompt": "Once", "vllm_xargs": {"break": 1}}""");
        status.ShouldBe(expected);
        error.GetProperty("message").GetString()!.ShouldContain(message);
        List<JsonElement> events = await server.StreamAsync(
            "/v1/completions",
            """{"prompt": "Once", "vllm_xargs": {"break": 1}, "ignore_eos": true, "stream": true}""");
        events.Count.ShouldBe(4);
        events[^1].GetProperty("error").GetProperty("message").GetString()!.ShouldContain(message);
        (await other).GetProperty("choices")[0].GetProperty("text").GetString()
            .ShouldBe(server.Engine.Tokenizer!.Decode(Expected.Greedy(0)[..14]));
        (await server.Http.GetAsync("/health")).EnsureSuccessStatusCode();
    }

    [Fact]
    public async Task Start_OnATakenPort_SaysSo()
    {
        var options = new ServerOptions { Port = new Uri(fixture.Server.Url).Port };
        AddressInUseException e = await Should.ThrowAsync<AddressInUseException>(
            () => OctavoServer.StartAsync(fixture.Engine, options));
        e.Message.ShouldContain($"127.0.0.1:{options.Port} is in use");
        Should.Throw<AddressInUseException>(() => OctavoServer.CheckAddress(options)).Message.ShouldBe(e.Message);
        await Should.ThrowAsync<IOException>(
            () => OctavoServer.StartAsync(fixture.Engine, new ServerOptions { Host = "no.such.host.invalid" }));
        Should.Throw<IOException>(() => OctavoServer.CheckAddress(new ServerOptions { Host = "no.such.host.invalid" }));
        string foreign = Should.Throw<IOException>(
            () => OctavoServer.CheckAddress(new ServerOptions { Host = "192.0.2.1", Port = 0 })).Message;
        foreign.ShouldStartWith("cannot listen on 192.0.2.1:0: ");
        OctavoServer.CheckAddress(new ServerOptions { Port = 0 });
    }

    [Theory]
    [InlineData("*")]
    [InlineData("0.0.0.0")]
    public async Task Start_OnAllAddresses_HasAUrlThatWorks(string host)
    {
        OctavoServer.CheckAddress(new ServerOptions { Host = host, Port = 0 });
        await using OctavoServer server = await OctavoServer
            .StartAsync(fixture.Engine, new ServerOptions { Host = host, Port = 0 });
        using var http = new HttpClient();
        (await http.GetAsync(server.Url + "/health")).EnsureSuccessStatusCode();
        var taken = new ServerOptions { Host = host, Port = new Uri(server.Url).Port };
        Should.Throw<AddressInUseException>(() => OctavoServer.CheckAddress(taken));
        if (host == "*" && Socket.OSSupportsIPv6)
        {
            (await http.GetAsync($"http://[::1]:{taken.Port}/health")).EnsureSuccessStatusCode();
        }
    }

    [Fact]
    public async Task MapOctavo_InAnApplication_Serves()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using WebApplication app = builder.Build();
        app.MapGroup("/llm").MapOctavo(fixture.Engine, new ServerOptions { ServedModelNames = ["mine"] });
        await app.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        using HttpResponseMessage response = await http
            .PostAsync(
                "/llm/v1/completions",
                new StringContent(
                    """{"model": "mine", "prompt": "Once", "max_tokens": 2}""", Encoding.UTF8, "application/json"));
        response.EnsureSuccessStatusCode();
        (await http.GetStringAsync("/llm/metrics")).ShouldContain("handler=\"/v1/completions\"");
    }

    [Fact]
    public async Task MapOctavo_BesideTheApplicationsOwnPaths_LeavesThemAlone()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using WebApplication app = builder.Build();
        app.MapGet("/", () => "home");
        app.MapGet("/models", () => "cars");
        app.MapOctavo(fixture.Engine);
        await app.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        (await http.GetStringAsync("/")).ShouldBe("home");
        (await http.GetStringAsync("/models")).ShouldBe("cars");
        (await http.GetStringAsync("/v1/models")).ShouldContain("tales");
    }

    internal static async Task UntilAsync(Func<bool> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        while (!holds())
        {
            await Task.Delay(5, limit.Token);
        }
    }

    private sealed class BrokenRunner(int vocabSize) : IModelRunner
    {
        public int VocabSize { get; } = vocabSize;

        public IReadOnlyList<CacheGroup> CacheGroups => CacheGroup.Everything;

        public int NumBlocks => 64;

        public int BlockSize => 16;

        public int MaxNumBatchedTokens => 2048;

        public IWorkTeam Team => CallerOnly.Instance;

        public StepWork Work => default;

        public void Run(StepBatch batch, Span<float> logits) => throw new InvalidDataException("broken");

        public void Dispose()
        {
        }
    }
}

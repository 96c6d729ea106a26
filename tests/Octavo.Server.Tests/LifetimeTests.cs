using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace Octavo.Server.Tests;

public sealed class LifetimeTests(ServerFixture fixture)
{
    private const string Long = """{"prompt": "Once upon a time", "n": 16, "temperature": 1, "max_tokens": 250, "ignore_eos": true, "stream": true}""";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Client_Gone_AbortsItsRequest(bool streams)
    {
        await using TestServer server = await TestServer.StartAsync();
        string body = streams ? Long : Long.Replace("\"stream\": true", "\"stream\": false", StringComparison.Ordinal);
        using (Socket client = await SendAsync(server, body))
        {
            await UntilAsync(() => server.Engine.NumRequests == 1);
            if (streams)
            {
                (await client.ReceiveAsync(new byte[100])).ShouldBeGreaterThan(0);
            }

            client.LingerState = new LingerOption(true, 0); // reset, as a process that dies does
        }

        await UntilAsync(() => server.Engine.NumRequests == 0);
        (await MetricsTests.ValueAsync(server, "vllm:num_requests_running")).ShouldBe(0);
        (await MetricsTests.ValueAsync(server, "vllm:generation_tokens_total")).ShouldBeLessThan(16 * 250);
        await server.CompleteAsync("""{"prompt": "Once", "max_tokens": 1}""");
    }

    [Fact]
    public async Task Stop_WhileStreaming_FinishesItAndRefusesOthers()
    {
        // The engine stands still, so that the request is in flight for as long as it takes to look around.
        using var goOn = new ManualResetEventSlim();
        await using TestServer server = await TestServer.StartAsync(new EngineOptions { LogitsProcessors = [_ => (_, _) => goOn.Wait(TimeSpan.FromSeconds(20))] });
        Task<List<JsonElement>> stream = server.StreamAsync("/v1/completions", Long);
        await UntilAsync(() => server.Engine.NumRequests == 1);
        Task stopping = server.Server.StopAsync();
        using HttpResponseMessage refused = await server.PostAsync("/v1/completions", """{"prompt": "Once"}""");
        ((int)refused.StatusCode).ShouldBe(503);
        refused.Headers.RetryAfter.ShouldNotBeNull();
        ((int)(await server.Http.GetAsync("/health")).StatusCode).ShouldBe(503);
        goOn.Set();
        List<JsonElement> events = await stream;
        events.Count(e => e.GetProperty("choices")[0].GetProperty("finish_reason").ValueKind == JsonValueKind.String).ShouldBe(16);
        await stopping;
        await server.Server.WaitForShutdownAsync();
        await Should.ThrowAsync<HttpRequestException>(() => server.Http.GetAsync("/health"));
    }

    [Fact]
    public async Task Stop_PastItsTimeout_AbortsWhatRuns()
    {
        await using TestServer server = await TestServer.StartAsync(null, new ServerOptions { ShutdownTimeout = TimeSpan.Zero });
        Task<List<JsonElement>> stream = server.StreamAsync("/v1/completions", Long);
        await UntilAsync(() => server.Engine.NumRequests == 1);
        using var shutdown = new CancellationTokenSource();
        Task waiting = server.Server.WaitForShutdownAsync(shutdown.Token);
        await shutdown.CancelAsync();
        await waiting;
        List<JsonElement> events = await stream;
        events[^1].GetProperty("error").GetProperty("code").GetString().ShouldBe("shutting_down");
        await UntilAsync(() => server.Engine.NumRequests == 0);
    }

    [Fact]
    public async Task Engine_Stopped_IsAnErrorEventAndThen503()
    {
        await using TestServer server = await TestServer.StartAsync();
        Task<List<JsonElement>> stream = server.StreamAsync("/v1/completions", Long);
        await UntilAsync(() => server.Engine.NumRequests == 1);
        await server.Engine.DisposeAsync();
        (await stream)[^1].GetProperty("error").GetProperty("message").GetString()!.ShouldContain("stopped");
        (await server.FailAsync("/v1/completions", """{"prompt": "Once"}""")).Status.ShouldBe(503);
    }

    [Fact]
    public async Task Engine_Failed_Is500AndUnhealthy()
    {
        var options = new EngineOptions
        {
            LogitsProcessors = [p => p.ExtraArgs?.ContainsKey("break") == true ? (_, _) => throw new InvalidDataException("broken") : null],
        };
        await using TestServer server = await TestServer.StartAsync(options);
        (int status, JsonElement error) = await server.FailAsync("/v1/completions", """{"prompt": "Once", "vllm_xargs": {"break": 1}}""");
        status.ShouldBe(500);
        error.GetProperty("code").GetString().ShouldBe("engine_failed");
        error.GetProperty("message").GetString()!.ShouldContain("broken");
        ((int)(await server.Http.GetAsync("/health")).StatusCode).ShouldBe(503);
    }

    [Fact]
    public async Task Start_OnATakenPort_SaysSo()
    {
        var options = new ServerOptions { Port = new Uri(fixture.Server.Url).Port };
        AddressInUseException e = await Should.ThrowAsync<AddressInUseException>(() => OctavoServer.StartAsync(fixture.Engine, options));
        e.Message.ShouldContain($"127.0.0.1:{options.Port} is in use");
        await Should.ThrowAsync<IOException>(() => OctavoServer.StartAsync(fixture.Engine, new ServerOptions { Host = "no.such.host.invalid" }));
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
        using HttpResponseMessage response = await http.PostAsync("/llm/v1/completions", new StringContent("""{"model": "mine", "prompt": "Once", "max_tokens": 2}"""));
        response.EnsureSuccessStatusCode();
        (await http.GetStringAsync("/llm/metrics")).ShouldContain("handler=\"/v1/completions\"");
    }

    private static async Task<Socket> SendAsync(TestServer server, string body)
    {
        var uri = new Uri(server.Server.Url);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(uri.Host, uri.Port);
        string request = $"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}";
        await socket.SendAsync(Encoding.UTF8.GetBytes(request));
        return socket;
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (!holds())
        {
            await Task.Delay(5, limit.Token);
        }
    }
}

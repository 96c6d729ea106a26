using System.Net;
using System.Text.Json;

namespace Octavo.Server.Tests;

public sealed class OverloadTests
{
    [Fact]
    public async Task Complete_QueueFull_Is429AndSaysWhenToTryAgain()
    {
        // The engine stands still until somebody has been refused.
        using var goOn = new ManualResetEventSlim();
        await using TestServer server = await TestServer.StartAsync(
            new EngineOptions
            {
                Scheduling = new() { MaxNumSeqs = 1 },
                Admission = new() { MaxQueue = 1 },
                Sampling =
                new() { LogitsProcessors = [_ => (_, _) => goOn.Wait(TimeSpan.FromMinutes(5))] }
            });
        Task<HttpResponseMessage>[] asked = [.. Enumerable.Range(0, 12).Select(_ => server.PostAsync(
            "/v1/completions", """{"prompt": "Once upon a time", "max_tokens": 100, "ignore_eos": true}"""))];
        await Task.WhenAny(asked);
        goOn.Set();
        HttpResponseMessage[] answers = await Task.WhenAll(asked);
        answers.Count(a => a.StatusCode == HttpStatusCode.OK).ShouldBeInRange(1, 11);
        HttpResponseMessage[] refused = [.. answers.Where(a => a.StatusCode != HttpStatusCode.OK)];
        refused.ShouldAllBe(a => a.StatusCode == HttpStatusCode.TooManyRequests
            && a.Headers.RetryAfter!.Delta >= TimeSpan.FromSeconds(1));
        JsonElement error = JsonSerializer.Deserialize<JsonElement>(await refused[0].Content.ReadAsStringAsync())
            .GetProperty("error");
        error.GetProperty("code").GetString().ShouldBe("overloaded");

        // The queue is empty again, and so is open again.
        await server.CompleteAsync("""{"prompt": "Once upon a time", "max_tokens": 2}""");
    }

    [Fact]
    public async Task Complete_TimeoutPassed_Is504AndTheBlocksReturn()
    {
        await using TestServer server = await TestServer
            .StartAsync(new EngineOptions { Admission = new() { RequestTimeout = TimeSpan.FromMilliseconds(1) } });
        (int status, JsonElement error) = await server
            .FailAsync("/v1/completions", """{"prompt": "Once upon a time", "max_tokens": 256, "ignore_eos": true}""");
        status.ShouldBe(504);
        error.GetProperty("code").GetString().ShouldBe("request_timeout");
        await server.Engine.CheckIntegrityAsync();
    }

    [Fact]
    public async Task Health_TargetImpossible_SaysSo()
    {
        await using TestServer server = await TestServer.StartAsync(
            new EngineOptions
            {
                Scheduling = new() { Targets = new BatchingTargets { InterToken = TimeSpan.FromMicroseconds(1) } }
            });
        await server.CompleteAsync("""{"prompt": "Once upon a time", "max_tokens": 20}""");
        JsonElement health = JsonSerializer.Deserialize<JsonElement>(await server.Http.GetStringAsync("/health"));
        health.GetProperty("status").GetString().ShouldBe("degraded");
        health.GetProperty("detail").GetString()!.ShouldContain("cannot be met");
        (await server.Http.GetStringAsync("/metrics"))
            .ShouldContain("octavo_batching_targets_met{model_name=\"tales\",engine=\"0\"} 0");
    }
}

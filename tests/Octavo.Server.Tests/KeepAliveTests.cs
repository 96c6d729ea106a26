using System.Collections.Concurrent;
using System.Text;
using System.Threading.Channels;

namespace Octavo.Server.Tests;

public sealed class KeepAliveTests
{
    [Fact]
    public async Task Stream_SilentForAnInterval_SendsAComment()
    {
        var time = new HandMovedTime();
        using var goOn = new ManualResetEventSlim();
        await using TestServer server = await TestServer.StartAsync(
            new EngineOptions
            {
                Sampling = new() { LogitsProcessors = [_ => (_, _) => goOn.Wait(TimeSpan.FromMinutes(5))] }
            },
            new ServerOptions { TimeProvider = time });
        using HttpResponseMessage response = await StartAsync(server);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        (await time.Timers.Reader.ReadAsync()).ShouldBe(TimeSpan.FromSeconds(15));
        time.Elapse();
        (await reader.ReadLineAsync()).ShouldBe(": keep-alive");
        (await reader.ReadLineAsync()).ShouldBe("");
        time.Elapse();
        (await reader.ReadLineAsync()).ShouldBe(": keep-alive");
        goOn.Set();
        string rest = await reader.ReadToEndAsync();
        rest.ShouldContain("\"finish_reason\":\"length\"");
        rest.ShouldEndWith("data: [DONE]\n\n");
    }

    [Fact]
    public async Task Stream_WithoutInterval_IsSilent()
    {
        var time = new HandMovedTime();
        await using TestServer server = await TestServer.StartAsync(
            null, new ServerOptions { TimeProvider = time, SseKeepAliveInterval = TimeSpan.Zero });
        using HttpResponseMessage response = await StartAsync(server);
        (await response.Content.ReadAsStringAsync()).ShouldNotContain("keep-alive");
        (await time.Timers.Reader.ReadAsync()).ShouldBe(Timeout.InfiniteTimeSpan);
    }

    private static Task<HttpResponseMessage> StartAsync(TestServer server) => server.Http.SendAsync(
        new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = new StringContent(
                """{"prompt": "Once", "max_tokens": 2, "ignore_eos": true, "stream": true}""",
                Encoding.UTF8,
                "application/json"),
        },
        HttpCompletionOption.ResponseHeadersRead);

    /// <summary>A clock whose timers go off when the test says so.</summary>
    private sealed class HandMovedTime : TimeProvider
    {
        private readonly ConcurrentBag<Action> _timers = [];

        /// <summary>The periods of the timers that were made.</summary>
        public Channel<TimeSpan> Timers { get; } = Channel.CreateUnbounded<TimeSpan>();

        public void Elapse()
        {
            foreach (Action timer in _timers)
            {
                timer();
            }
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _timers.Add(() => callback(state));
            Timers.Writer.TryWrite(period);
            return new Handle();
        }

        private sealed class Handle : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}

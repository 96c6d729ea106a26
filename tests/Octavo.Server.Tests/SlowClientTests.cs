using System.Diagnostics;
using System.Net.Sockets;
using System.Text;

namespace Octavo.Server.Tests;

/// <summary>Clients that leave, send a byte at a time, or do not read.</summary>
public sealed class SlowClientTests
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromMinutes(3);

    [Theory]
    [InlineData("stream")]
    [InlineData("answer")]
    [InlineData("body")]
    public async Task Client_Gone_AbortsItsRequestQuietly(string during)
    {
        using var log = new RecordingLoggers();
        await using TestServer server = await TestServer
            .StartAsync(TestServer.Fixed, new ServerOptions { LoggerFactory = log });
        string body = LifetimeTests.Long.Replace(
            "\"stream\": true", $"\"stream\": {(during == "stream" ? "true" : "false")}", StringComparison.Ordinal);
        using (Socket client = await ConnectAsync(server))
        {
            if (during == "body")
            {
                await BeginBodyAsync(client);
            }
            else
            {
                await SendAsync(client, Head(body.Length) + body);
                await LifetimeTests.UntilAsync(() => server.Engine.NumRequests == 1);
            }

            if (during == "stream")
            {
                (await client.ReceiveAsync(new byte[100])).ShouldBeGreaterThan(0);
            }

            client.LingerState = new LingerOption(true, 0); // reset, as a process that dies does
        }

        using var limit = new CancellationTokenSource(s_deadline);
        while (!(await server.Http.GetStringAsync("/metrics", limit.Token)).Contains(
            "http_requests_total{method=\"POST\",handler=\"/v1/completions\"", StringComparison.Ordinal))
        {
            await Task.Delay(5, limit.Token);
        }

        await LifetimeTests.UntilAsync(() => server.Engine.NumRequests == 0);
        (await MetricsTests.ValueAsync(server, "vllm:num_requests_running")).ShouldBe(0);
        (await MetricsTests.ValueAsync(server, "vllm:generation_tokens_total")).ShouldBeLessThan(16 * 250);
        await server.CompleteAsync("""{"prompt": "Once", "max_tokens": 1}""");
        log.Troubles.ShouldBeEmpty();
    }

    [Fact]
    public async Task Stop_WhileABodyTrickles_Ends()
    {
        using var log = new RecordingLoggers();
        await using TestServer server = await TestServer.StartAsync(
            TestServer.Fixed,
            new ServerOptions { ShutdownTimeout = TimeSpan.FromMilliseconds(100), LoggerFactory = log });
        using Socket client = await ConnectAsync(server);
        await BeginBodyAsync(client);
        Task trickle = TrickleAsync(client);
        await server.Server.StopAsync().WaitAsync(s_deadline);
        await trickle.WaitAsync(s_deadline);
        log.Troubles.ShouldBeEmpty();
    }

    [Fact]
    public async Task Stop_WhileAStreamIsNotRead_Ends()
    {
        using var log = new RecordingLoggers();
        await using TestServer server = await TestServer.StartAsync(
            TestServer.Fixed with { Sampling = new() { MaxLogprobs = 200 } }, new ServerOptions
            {
                ShutdownTimeout = TimeSpan.Zero,
                LoggerFactory = log,
            });
        using Socket client = await ConnectAsync(server);
        string body = LifetimeTests.Long.Replace("\"n\": 16", "\"n\": 8, \"logprobs\": 200", StringComparison.Ordinal);
        await SendAsync(client, Head(body.Length) + body);

        // The engine is done, but its events are more than sockets hold.
        await LifetimeTests.UntilAsync(() => server.Engine.NumRequests == 1);
        await LifetimeTests.UntilAsync(() => server.Engine.NumRequests == 0);
        long started = Stopwatch.GetTimestamp();
        await server.Server.StopAsync().WaitAsync(s_deadline);
        Stopwatch.GetElapsedTime(started).ShouldBeGreaterThan(
            TimeSpan.FromMilliseconds(900), "nothing held the server");
        log.Troubles.ShouldBeEmpty();
    }

    [Fact]
    public async Task Stop_WhileAHeadIsUnfinished_Ends()
    {
        await using TestServer server = await TestServer.StartAsync();
        using Socket client = await ConnectAsync(server);
        await SendAsync(client, "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
            + "application/json\r\nContent-Length: 100\r\n\r\n{");
        await server.Server.StopAsync().WaitAsync(s_deadline);
    }

    private static async Task<Socket> ConnectAsync(TestServer server)
    {
        var uri = new Uri(server.Server.Url);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096, NoDelay = true };
        await socket.ConnectAsync(uri.Host, uri.Port);
        return socket;
    }

    private static string Head(int length, string more = "") => "POST /v1/completions HTTP/1.1\r\nHost: "
        + $"localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n";

    private static async Task SendAsync(Socket client, string text) =>
        await client.SendAsync(Encoding.ASCII.GetBytes(text));

    // A server says 100 once it reads the body, so the request is inside.
    private static async Task BeginBodyAsync(Socket client)
    {
        await SendAsync(client, Head(1_000_000, "Expect: 100-continue\r\n"));
        byte[] answer = new byte[100];
        Encoding.ASCII.GetString(answer, 0, await client.ReceiveAsync(answer)).ShouldStartWith("HTTP/1.1 100");
        await SendAsync(client, "{");
    }

    // Faster than Kestrel's least rate, so that only the shutdown ends it.
    private static async Task TrickleAsync(Socket client)
    {
        byte[] blanks = Encoding.ASCII.GetBytes(new string(' ', 20));
        try
        {
            while (true)
            {
                await client.SendAsync(blanks);
                await Task.Delay(20);
            }
        }
        catch (SocketException)
        {
            // The server has closed the connection.
        }
    }
}

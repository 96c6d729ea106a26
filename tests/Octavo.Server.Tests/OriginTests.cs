using System.Net.Sockets;
using System.Text;

namespace Octavo.Server.Tests;

/// <summary>Who may call, as browsers tell: by name (Host) and from where (Origin).</summary>
public sealed class OriginTests(ServerFixture fixture)
{
    private const string Foreign = "https://evil.example";

    private readonly TestServer _server = fixture.Client;

    [Theory]
    [InlineData("localhost", 200)]
    [InlineData("LOCALHOST:1234", 200)]
    [InlineData("localhost.", 200)]
    [InlineData("app.localhost", 200)]
    [InlineData("127.0.0.1", 200)]
    [InlineData("127.0.0.2:80", 200)]
    [InlineData("[::1]:8000", 200)]
    [InlineData("evil.example", 403)]
    [InlineData("localhost.evil.example", 403)]
    [InlineData("127.0.0.1.evil.example:8000", 403)]
    [InlineData("192.168.1.5", 403)]
    [InlineData("0.0.0.0:8000", 403)]
    [InlineData("xn--0.example", 403)]
    [InlineData("xn--", 403)]
    [InlineData("xn--bcher-kva.example", 403)]
    public async Task Host_OnLoopback_MustBeThisMachines(string host, int expected)
    {
        foreach (string path in new[] { "/health", "/v1/models", "/metrics", "/" })
        {
            (int status, string answer) = await SendAsync(_server, "GET", path, ("Host", host));
            status.ShouldBe(expected, answer);
            (answer.Contains("host_not_allowed", StringComparison.Ordinal)
                && answer.Contains("--allowed-hosts", StringComparison.Ordinal)).ShouldBe(expected == 403);
        }
    }

    [Theory]
    [InlineData("https://evil.example", 403)]
    [InlineData("http://localhost.evil.example", 403)]
    [InlineData("null", 403)]
    [InlineData("file://", 403)]
    [InlineData("http://localhost:3000", 200)]
    [InlineData("http://127.0.0.1:5173", 200)]
    [InlineData("http://[::1]:5173", 200)]
    public async Task Origin_OnLoopback_MustBeOfThisMachine(string origin, int expected)
    {
        (int status, string answer) = await SendAsync(
            _server, "GET", "/v1/models", ("Host", "localhost"), ("Origin", origin));
        status.ShouldBe(expected, answer);
        answer.Contains($"Access-Control-Allow-Origin: {origin}\r\n", StringComparison.Ordinal)
            .ShouldBe(expected == 200);
        string generate = await PostAsync(_server, "/v1/completions", """{"prompt": "a", "max_tokens": 1}""", origin);
        generate.StartsWith("HTTP/1.1 " + expected, StringComparison.Ordinal).ShouldBeTrue(generate);
    }

    [Fact]
    public async Task Preflight_IsAnsweredWhereTheOriginIsAllowed()
    {
        await using TestServer server = await TestServer
            .StartAsync(null, new ServerOptions { CorsOrigins = ["https://chat.example", "https://other.example/"] });
        foreach (string origin in new[] { "https://chat.example", "https://other.example" })
        {
            (int status, string answer) = await PreflightAsync(server, origin);
            status.ShouldBe(204);
            answer.ShouldContain($"Access-Control-Allow-Origin: {origin}\r\n");
            answer.ShouldContain("Access-Control-Allow-Headers: authorization, content-type\r\n");
            answer.ShouldContain("POST");
            answer.ShouldContain("Vary: Origin\r\n");
        }

        (await PreflightAsync(server, Foreign)).Status.ShouldBe(403);
        (await PreflightAsync(_server, Foreign)).Status.ShouldBe(403);
    }

    [Fact]
    public async Task Cors_AllowedOrigin_MayReadEveryKindOfAnswer()
    {
        await using TestServer server = await TestServer.StartAsync(null, new ServerOptions { CorsOrigins = ["*"] });
        string[] answers =
        [
            await PostAsync(server, "/v1/completions", """{"prompt": "a", "max_tokens": 1}""", Foreign),
            await PostAsync(server, "/v1/completions", """{"prompt": "a", "max_tokens": 1, "stream": true}""", Foreign),
            await PostAsync(server, "/v1/completions", """{"prompt": 5}""", Foreign),
            await PostAsync(server, "/nowhere", "{}", Foreign),
        ];
        answers.ShouldAllBe(a => a.Contains($"Access-Control-Allow-Origin: {Foreign}\r\n", StringComparison.Ordinal));
        answers.Select(a => a.Split(' ')[1]).ShouldBe(["200", "200", "400", "404"]);
    }

    [Fact]
    public async Task AllowedHosts_Given_CountBesideThisMachines()
    {
        await using TestServer server = await TestServer
            .StartAsync(null, new ServerOptions { AllowedHosts = ["llm.example", "*.lan"] });
        foreach ((string host, int expected) in new[]
        {
            ("llm.example:8000", 200), ("box.lan", 200), ("localhost", 200), ("lan", 403), ("evil.example", 403)
        })
        {
            (await SendAsync(server, "GET", "/health", ("Host", host))).Status.ShouldBe(expected, host);
        }

        await using TestServer any = await TestServer.StartAsync(null, new ServerOptions { AllowedHosts = ["*"] });
        (await SendAsync(any, "GET", "/health", ("Host", "evil.example"))).Status.ShouldBe(200);

        // Requests name hosts in punycode, operators need not; and what is no good punycode is a name as any other.
        await using TestServer written = await TestServer
            .StartAsync(null, new ServerOptions { AllowedHosts = ["b\u00fccher.example", "xn--0.example"] });
        (await SendAsync(written, "GET", "/health", ("Host", "xn--bcher-kva.example:80"))).Status.ShouldBe(200);
        (await SendAsync(written, "GET", "/", ("Host", "xn--0.example"))).Status.ShouldBe(200);
    }

    [Fact]
    public async Task AllAddresses_CheckOnlyWhatIsGiven()
    {
        await using TestServer open = await TestServer.StartAsync(null, new ServerOptions { Host = "0.0.0.0" });
        (await SendAsync(open, "GET", "/health", ("Host", "anything.example"), ("Origin", Foreign))).Status
            .ShouldBe(200);
        await using TestServer named = await TestServer.StartAsync(
            null, new ServerOptions
            {
                Host = "0.0.0.0",
                AllowedHosts = ["llm.example"],
                CorsOrigins = ["https://chat.example"],
            });
        (await SendAsync(named, "GET", "/health", ("Host", "anything.example"))).Status.ShouldBe(403);
        (await SendAsync(named, "GET", "/health", ("Host", "llm.example"))).Status.ShouldBe(200);
        (await SendAsync(named, "GET", "/health", ("Host", "llm.example"), ("Origin", Foreign))).Status.ShouldBe(403);
        (await SendAsync(named, "GET", "/health", ("Host", "llm.example"), ("Origin", "https://llm.example"))).Status
            .ShouldBe(200);
    }

    private static Task<(int Status, string Answer)> PreflightAsync(TestServer server, string origin) => SendAsync(
        server, "OPTIONS", "/v1/chat/completions", ("Host", "localhost"), ("Origin", origin),
        ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization, content-type"));

    private static async Task<string> PostAsync(
        TestServer server, string path, string body, string origin) => (await SendAsync(
        server,
        "POST",
        path,
        body,
        ("Host", "localhost"),
        ("Origin", origin),
        ("Content-Type", "application/json"))).Answer;

    private static Task<(int Status, string Answer)> SendAsync(
        TestServer server, string method, string path, params (string Name, string Value)[] headers) =>
        SendAsync(server, method, path, string.Empty, headers);

    // As it stands: HttpClient has its own ideas of these headers.
    private static async Task<(int Status, string Answer)> SendAsync(
        TestServer server, string method, string path, string body, params (string Name, string Value)[] headers)
    {
        var uri = new Uri(server.Server.Url);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(uri.Host, uri.Port);
        string head = string.Concat(headers.Select(h => $"{h.Name}: {h.Value}\r\n"));
        await socket.SendAsync(Encoding.UTF8.GetBytes($"{method} {path} HTTP/1.1\r\n{head}Connection: "
            + $"close\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
        using var reader = new StreamReader(new NetworkStream(socket));
        string answer = await reader.ReadToEndAsync();
        return (int.Parse(answer.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture), answer);
    }
}

using System.Net;
using System.Text.Json;

namespace Octavo.Server.Tests;

/// <summary>Where things are, and what stands at the root.</summary>
public sealed class PathTests(ServerFixture fixture)
{
    private readonly TestServer _server = fixture.Client;

    [Fact]
    public async Task Path_WithoutVersion_AnswersToo()
    {
        (await _server.CallAsync("/completions", """{"prompt": "Once", "max_tokens": 1}""")).GetProperty("object")
            .GetString().ShouldBe("text_completion");
        (await _server.CallAsync(
            "/chat/completions", """{"messages": [{"role": "user", "content": "Go"}], "max_tokens": 1}"""))
            .GetProperty("object").GetString().ShouldBe("chat.completion");
        (await _server.Http.GetStringAsync("/models")).ShouldBe(await _server.Http.GetStringAsync("/v1/models"));
        (await _server.Http.GetStringAsync("/models/tales")).ShouldContain("\"tales\"");
    }

    [Theory]
    [InlineData("/v1/chat/completion", "/v1/chat/completions")]
    [InlineData("/v1/completion", "/v1/completions")]
    [InlineData("/v1/v1/chat/completions", "/v1/chat/completions")]
    [InlineData("/openai/v1/completions", "/v1/completions")]
    [InlineData("/v1/metrics", "/metrics")]
    [InlineData("/metric", "/metrics")]
    [InlineData("/healthz", "/health")]
    [InlineData("/api/generate", "/v1/completions")]
    [InlineData("/api/chat", "/v1/chat/completions")]
    [InlineData("/v1", "/v1/models")]
    [InlineData("/v1/embeddings", "one of /v1/completions")]
    [InlineData("/nowhere/at/all", "one of /v1/completions")]
    public async Task Path_Unknown_SaysWhatMayBeMeant(string path, string meant)
    {
        using HttpResponseMessage response = await _server.Http.GetAsync(path);
        response.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        string message = JsonSerializer.Deserialize<JsonElement>(await response.Content.ReadAsStringAsync())
            .GetProperty("error").GetProperty("message").GetString()!;
        message.ShouldContain($"did you mean {meant}");
        message.ShouldContain(path);
    }

    [Theory]
    [InlineData("GET", "/v1/completions", "POST")]
    [InlineData("HEAD", "/v1/chat/completions", "POST")]
    [InlineData("DELETE", "/v1/models", "GET, HEAD")]
    [InlineData("POST", "/", "GET, HEAD")]
    [InlineData("PUT", "/tokenize", "POST")]
    public async Task Method_Wrong_Is405WithAllow(string method, string path, string allow)
    {
        using HttpResponseMessage response = await _server.Http
            .SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
        response.StatusCode.ShouldBe(HttpStatusCode.MethodNotAllowed);
        response.Content.Headers.Allow.Order(StringComparer.Ordinal).ShouldBe(allow.Split(", "));
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/health")]
    [InlineData("/ping")]
    [InlineData("/version")]
    [InlineData("/metrics")]
    [InlineData("/v1/models")]
    [InlineData("/v1/models/tales")]
    public async Task Head_AnswersWhereGetDoes(string path)
    {
        using HttpResponseMessage get = await _server.Http.GetAsync(path);
        using HttpResponseMessage head = await _server.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, path));
        head.StatusCode.ShouldBe(get.StatusCode);
        head.Content.Headers.ContentType?.ToString().ShouldBe(get.Content.Headers.ContentType?.ToString());
        (await head.Content.ReadAsByteArrayAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Root_IsAPageWithWorkingExamples()
    {
        await using TestServer server = await TestServer
            .StartAsync(null, new ServerOptions { ServedModelNames = ["it's <b>\"5\"</b>"] });
        using HttpResponseMessage response = await server.Http.GetAsync("/");
        response.Content.Headers.ContentType!.ToString().ShouldBe("text/html; charset=utf-8");
        string page = await response.Content.ReadAsStringAsync();
        page.ShouldContain("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
        page.ShouldNotContain("<b>");
        page.ShouldContain("href=\"health\"");
        page.ShouldContain("href=\"metrics\"");
        string text = WebUtility.HtmlDecode(page);
        text.ShouldContain("LlamaForCausalLM");
        text.ShouldContain($"curl {server.Server.Url}/v1/completions");
        text.ShouldContain("""new Uri("URL/v1")""".Replace("URL", server.Server.Url, StringComparison.Ordinal));
        text.ShouldContain(
            """base_url="URL/v1" """.TrimEnd().Replace("URL", server.Server.Url, StringComparison.Ordinal));

        // What the shell makes of the quoted body works.
        int begin = text.IndexOf("-d '", StringComparison.Ordinal) + 4;
        string body = text[begin..text.IndexOf("}'", begin, StringComparison.Ordinal)]
            .Replace(@"'\''", "'", StringComparison.Ordinal) + "}";
        (await server.CompleteAsync(body)).GetProperty("model").GetString().ShouldBe("it's <b>\"5\"</b>");
    }

    [Fact]
    public async Task Root_OfAModelThatCannotChat_ShowsCompletions()
    {
        await using TestServer server = await TestServer
            .StartAsync(new EngineOptions { Model = new() { SkipTokenizerInit = true } });
        string page = await server.Http.GetStringAsync("/");
        page.ShouldContain("client.completions.create(");
        page.ShouldNotContain("chat");
    }

    [Fact]
    public async Task Models_Root_IsWhatWasTyped()
    {
        (await _server.Http.GetStringAsync("/v1/models")).ShouldContain("\"root\":\"tales\"");
        await using TestServer typed = await TestServer
            .StartAsync(null, new ServerOptions { ModelRoot = "models/tales", ServedModelNames = ["mine"] });
        (await typed.Http.GetStringAsync("/v1/models")).ShouldContain("\"root\":\"models/tales\"");
    }
}

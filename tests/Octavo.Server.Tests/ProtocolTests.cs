using System.Buffers;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Octavo.Server.Jobs;
using Octavo.Server.Protocols;
using Octavo.Server.Protocols.OpenAI;
using Octavo.Testing;

namespace Octavo.Server.Tests;

/// <summary>The protocol apart from HTTP: JSON in, a job, an engine, JSON out.</summary>
public sealed class ProtocolTests(ServerFixture fixture)
{
    private const string Chat =
        """{"messages": [{"role": "user", "content": "Once"}], "max_tokens": 9, "temperature": 0, "logprobs": true}""";

    private readonly TestServer _server = fixture.Client;
    private readonly OpenAIProtocol _protocol = new(fixture.Engine, [fixture.Engine.Model.Name], Version);

    private static string Version => typeof(OctavoServer).Assembly.GetName().Version!.ToString(3);

    [Fact]
    public async Task Completion_WithoutHttp_IsAnsweredAsOverHttp()
    {
        string body = $$"""
            {"prompt": [{{JsonSerializer.Serialize(Expected.Prompt(0))}}, {{JsonSerializer.Serialize(Expected.Prompt(1))}}],
             "max_tokens": 8, "temperature": 0, "echo": true, "logprobs": 2, "n": 2, "return_token_ids": true}
            """;
        JsonNode answer = await AnswerAsync(_protocol.ReadCompletion(Parse(body)));
        int[] tokens = answer["choices"]![0]!["token_ids"]!.AsArray().Select(t => t!.GetValue<int>()).ToArray();
        tokens.ShouldBe(Expected.Greedy(0).Take(8));
        AssertSame(answer, await _server.CallAsync("/v1/completions", body));
    }

    [Fact]
    public async Task Chat_WithoutHttp_IsAnsweredAsOverHttp()
    {
        JsonNode answer = await AnswerAsync(_protocol.ReadChat(Parse(Chat)));
        ((string?)answer["choices"]![0]!["message"]!["content"]).ShouldNotBeNullOrEmpty();
        AssertSame(answer, await _server.ChatAsync(Chat));
    }

    [Fact]
    public async Task BeamSearch_WithoutHttp_IsAnsweredAsOverHttp()
    {
        const string Body =
            """{"prompt": "The fox", "max_tokens": 4, "use_beam_search": true, "n": 3, "length_penalty": 0.5}""";
        Exchange exchange = _protocol.ReadCompletion(Parse(Body));
        exchange.Job.Beams.ShouldNotBeNull().BeamWidth.ShouldBe(3);
        AssertSame(await AnswerAsync(exchange), await _server.CompleteAsync(Body));
    }

    [Fact]
    public async Task Stream_WithoutHttp_HasTheEventsOfHttp()
    {
        string body = Chat.Replace("\"max_tokens\"", "\"stream\": true, \"stream_options\": "
            + "{\"include_usage\": true}, \"max_tokens\"",
            StringComparison.Ordinal);
        List<string> events = await StreamAsync(_protocol.ReadChat(Parse(body)));
        events[^1].ShouldBe("[DONE]");
        List<JsonElement> overHttp = await _server.StreamAsync("/v1/chat/completions", body);
        JsonElement[] own = [.. events.SkipLast(1).Select(Parse)];
        TextOf(own).ShouldNotBeEmpty();
        TextOf(own).ShouldBe(TextOf(overHttp));
        AssertSame(Node(own[0]), overHttp[0]);
        AssertSame(Node(own[^1]), overHttp[^1]);

        static string TextOf(IEnumerable<JsonElement> events) => string.Concat(events.SelectMany(e =>
            e.GetProperty("choices").EnumerateArray().Select(
                c =>
                    c.GetProperty("delta").TryGetProperty("content", out JsonElement text)
                        ? text.GetString()
                        : string.Empty)));
    }

    [Fact]
    public void Error_WithoutHttp_EndsAStreamAsAnEvent()
    {
        ApiException error = Should.Throw<ApiException>(() => _protocol.ReadChat(Parse("""{"messages": 5}""")));
        ((int)error.Status).ShouldBe(400);
        IResponse response =
            _protocol.ReadChat(Parse("""{"messages": [{"role": "user", "content": "hi"}]}""")).Response;
        var output = new ArrayBufferWriter<byte>();
        using (var events = new EventWriter(output))
        {
            response.WriteError(events, error);
        }

        Encoding.UTF8.GetString(output.WrittenSpan).ShouldBe(
            """
            data: {"error":{"message":"messages must be a list","type":"invalid_request_error","param":"messages","code":null}}

            data: [DONE]


            """.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void Client_ToldByTheTransport_ReachesTheJob()
    {
        const string Body = """{"prompt": "a", "priority": 3, "cache_salt": "s"}""";
        RequestOptions options = _protocol.ReadCompletion(Parse(Body), "someone").Job.Requests[0].Options;
        (options.Client, options.Priority, options.CacheSalt).ShouldBe(("someone", 3, "s"));
    }

    [Theory]
    [InlineData("Protocols")]
    [InlineData("Jobs")]
    public void Folder_ApartFromHttp_NamesNothingOfAspNet(string folder)
    {
        Assert.SkipWhen(Repository.Root is null, "needs the checkout");
        string[] files = Directory.GetFiles(
            Path.Combine(Repository.Root, "src", "Octavo.Server", folder), "*.cs", SearchOption.AllDirectories);
        files.ShouldNotBeEmpty();
        files.Where(f => File.ReadAllText(f).Contains("Microsoft.AspNetCore", StringComparison.Ordinal))
            .ShouldBeEmpty();
    }

    private static JsonElement Parse(string json) => JsonSerializer.Deserialize<JsonElement>(json);

    private static JsonNode Node(JsonElement element) => JsonNode.Parse(element.GetRawText())!;

    private async Task<JsonNode> AnswerAsync(Exchange exchange)
    {
        exchange.Stream.ShouldBeFalse();
        await using JobRun run = await JobRun.StartAsync(
            fixture.Engine, exchange.Job, TestContext.Current.CancellationToken);
        RequestOutput[] outputs = await run.ReadFinalAsync();
        var output = new ArrayBufferWriter<byte>();
        using (Utf8JsonWriter json = JsonText.CreateWriter(output))
        {
            exchange.Response.Write(json, outputs);
        }

        return JsonNode.Parse(output.WrittenSpan)!;
    }

    private async Task<List<string>> StreamAsync(Exchange exchange)
    {
        exchange.Stream.ShouldBeTrue();
        var output = new ArrayBufferWriter<byte>();
        using var events = new EventWriter(output);
        await using JobRun run = await JobRun.StartAsync(
            fixture.Engine, exchange.Job, TestContext.Current.CancellationToken);
        await foreach (JobEvent happened in run.ReadAsync(TimeSpan.Zero, TimeProvider.System))
        {
            exchange.Response.WriteEvents(events, happened.Prompt, happened.Output!);
        }

        exchange.Response.WriteLastEvents(events);
        List<string> payloads = [];
        await foreach (SseItem<string> item in SseParser.Create(new MemoryStream(output.WrittenSpan.ToArray()))
            .EnumerateAsync())
        {
            payloads.Add(item.Data);
        }

        return payloads;
    }

    // But for what no two answers share, and what an earlier answer has left in the cache.
    private static void AssertSame(JsonNode own, JsonElement overHttp)
    {
        JsonNode other = Node(overHttp);
        foreach (JsonNode node in (JsonNode[])[own, other])
        {
            node["id"] = null;
            node["created"] = null;
            if (node["usage"] is JsonObject usage)
            {
                usage["prompt_tokens_details"] = null;
            }
        }

        own.ToJsonString().ShouldBe(other.ToJsonString());
    }
}

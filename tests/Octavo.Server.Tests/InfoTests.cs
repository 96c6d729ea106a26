using System.Text;
using System.Text.Json;
using Octavo.Testing;

namespace Octavo.Server.Tests;

public sealed class InfoTests(ServerFixture fixture)
{
    private readonly TestServer _server = fixture.Client;

    [Fact]
    public async Task Models_Listed_NameTheModelAndItsLength()
    {
        JsonElement list = await GetAsync("/v1/models");
        list.GetProperty("object").GetString().ShouldBe("list");
        JsonElement model = list.GetProperty("data")[0];
        model.GetProperty("id").GetString().ShouldBe("tales");
        model.GetProperty("max_model_len").GetInt32().ShouldBe(512);
        (await GetAsync("/v1/models/tales")).GetProperty("object").GetString().ShouldBe("model");
    }

    [Fact]
    public async Task ServedModelNames_Several_AllWork()
    {
        await using TestServer server = await TestServer
            .StartAsync(null, new ServerOptions { ServedModelNames = ["one", "octavo/two"] });
        JsonElement answer = await server.CompleteAsync(
            """{"model": "octavo/two", "prompt": "Once", "max_tokens": 1}""");
        answer.GetProperty("model").GetString().ShouldBe("one");
        (await server.Http.GetStringAsync("/v1/models/octavo/two")).ShouldContain("octavo/two");
        (await server.FailAsync("/v1/completions", """{"model": "tales", "prompt": "Once"}""")).Status.ShouldBe(404);
    }

    [Fact]
    public async Task Health_Working_IsEmptyAndFine()
    {
        // Adaptive batching would say here, rightly, that a slow machine cannot hold its targets.
        await using TestServer server = await TestServer.StartAsync(TestServer.Fixed);
        (await server.Http.GetStringAsync("/health")).ShouldBeEmpty();
        (await server.Http.GetStringAsync("/ping")).ShouldBeEmpty();
        (await server.PostAsync("/ping", "")).EnsureSuccessStatusCode();
        (await GetAsync("/version")).GetProperty("version").GetString().ShouldNotBeNullOrEmpty();
    }

    /// <summary>What a host of the library's, which has no terminal, hears of a model's files.</summary>
    [Fact]
    public async Task Start_ModelWithAValueThatIsNotUsed_LogsIt()
    {
        using TalesVariant model = new TalesVariant().WithText("generation_config.json", """{"top_p": 7}""");
        using var log = new RecordingLoggers();
        await using TestServer server = await TestServer.ServeAsync(
            AsyncEngine.Load(model.Path, TestServer.Fixed), new ServerOptions { LoggerFactory = log });
        log.Troubles.ShouldHaveSingleItem().ShouldContain("model: generation_config.json: top_p is not used");
    }

    [Fact]
    public async Task Tokenize_OfTextAndChat_GivesWhatTheModelReads()
    {
        JsonElement answer = await _server.CallAsync(
            "/tokenize", """{"prompt": "Once upon a time", "return_token_strs": true}""");
        Ints(answer).ShouldBe(Expected.PromptIds(0));
        answer.GetProperty("count").GetInt32().ShouldBe(Expected.PromptIds(0).Length);
        answer.GetProperty("max_model_len").GetInt32().ShouldBe(512);
        answer.GetProperty("token_strs")[0].GetString().ShouldBe("<|endoftext|>");
        Ints(await _server.CallAsync("/tokenize", """{"prompt": "Once upon a time", "add_special_tokens": false}"""))
            .ShouldBe(Expected.PromptIds(0)[1..]);
        JsonElement chat = await _server.CallAsync(
            "/tokenize", """{"messages": [{"role": "user", "content": "Once upon a"}]}""");
        Ints(chat).ShouldBe(fixture.Engine.Tokenizer!.Encode("Once upon a"));
        chat.GetProperty("token_strs").ValueKind.ShouldBe(JsonValueKind.Null);

        // A special token that a message spells out is text, unless the caller wants it otherwise.
        Ints(await _server.CallAsync("/tokenize", """{"messages": [{"role": "user", "content": "<|im_end|>"}]}"""))
            .ShouldNotContain(2);
        Ints(await _server.CallAsync(
            "/tokenize",
            """{"messages": [{"role": "user", "content": "<|im_end|>"}], "split_special_tokens": false}"""))
            .ShouldContain(2);
        await FailAsync("{}", "prompt or messages is required");
        await FailAsync("""{"prompt": "a", "messages": [{"role": "user", "content": "a"}]}""", "exclude each other");

        async Task FailAsync(string body, string message)
        {
            (int status, JsonElement error) = await _server.FailAsync("/tokenize", body);
            status.ShouldBe(400);
            error.GetProperty("message").GetString()!.ShouldContain(message);
        }

        static int[] Ints(JsonElement from) =>
            [.. from.GetProperty("tokens").EnumerateArray().Select(e => e.GetInt32())];
    }

    [Fact]
    public async Task Detokenize_OfTokens_GivesTheirText()
    {
        JsonElement answer = await _server.CallAsync(
            "/detokenize", $$"""{"tokens": {{JsonSerializer.Serialize(Expected.PromptIds(0))}}}""");
        answer.GetProperty("prompt").GetString().ShouldBe("<|endoftext|>Once upon a time");
        (await _server.FailAsync("/detokenize", """{"tokens": [1, -1]}""")).Error.GetProperty("message").GetString()!
            .ShouldContain("tokens[1]");
    }

    [Theory]
    [InlineData("abc", true)]
    [InlineData("höher", false)]
    public async Task RequestId_InHeader_ComesBack(string id, bool same)
    {
        using var handler = new SocketsHttpHandler { RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8 };
        using var http = new HttpClient(handler) { BaseAddress = _server.Http.BaseAddress };
        using var request = new HttpRequestMessage(HttpMethod.Get, "/health");
        request.Headers.Add("X-Request-Id", id);
        using HttpResponseMessage response = await http.SendAsync(request);
        response.EnsureSuccessStatusCode();
        (response.Headers.GetValues("X-Request-Id").Single() == id).ShouldBe(same);
    }

    [Fact]
    public async Task Tokenizer_Skipped_LeavesTokenIds()
    {
        await using TestServer server = await TestServer
            .StartAsync(new EngineOptions { Model = new() { SkipTokenizerInit = true } });
        JsonElement choice = (await server.CompleteAsync(
            $$"""{"prompt": {{JsonSerializer.Serialize(Expected.PromptIds(0))}}, "temperature": 0, "max_tokens": 4, "logprobs": 1, "echo": true}""")).GetProperty(
                "choices")[0];
        choice.GetProperty("text").GetString().ShouldBeEmpty();
        choice.GetProperty("token_ids").EnumerateArray().Select(e => e.GetInt32()).ShouldBe(Expected.Greedy(0)[..4]);
        choice.GetProperty("prompt_token_ids").EnumerateArray().Select(e => e.GetInt32())
            .ShouldBe(Expected.PromptIds(0));
        choice.GetProperty("logprobs").GetProperty("tokens")[Expected.PromptIds(0).Length].GetString()
            .ShouldBe($"token_id:{Expected.Greedy(0)[0]}");
        (await server.FailAsync("/v1/completions", """{"prompt": "Once"}""")).Error.GetProperty("param").GetString()
            .ShouldBe("prompt");
        (int status, JsonElement error) = await server
            .FailAsync("/v1/chat/completions", """{"messages": [{"role": "user", "content": "a"}]}""");
        status.ShouldBe(400);
        error.GetProperty("message").GetString()!.ShouldContain("runs without one");
        (await server.FailAsync("/tokenize", """{"prompt": "a"}""")).Status.ShouldBe(400);
    }

    private async Task<JsonElement> GetAsync(string path) =>
        JsonSerializer.Deserialize<JsonElement>(await _server.Http.GetStringAsync(path));
}

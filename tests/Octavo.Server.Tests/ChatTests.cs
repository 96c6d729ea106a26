using System.Text;
using System.Text.Json;
using Octavo.Testing;

namespace Octavo.Server.Tests;

public sealed class ChatTests(ServerFixture fixture)
{
    private readonly TestServer _server = fixture.Client;

    [Fact]
    public async Task Chat_OfTextAndOfParts_SaysTheSame()
    {
        const string Rest = "\"temperature\": 0, \"max_completion_tokens\": 12}";
        JsonElement text = await _server.ChatAsync(
            """{"messages": [{"role": "user", "content": "Tell me a tale"}], """ + Rest);
        JsonElement parts = await _server.ChatAsync(
            """{"messages": [{"role": "user", "content": [{"type": "text", "text": "Tell me a tale"}]}], """ + Rest);
        text.GetProperty("object").GetString().ShouldBe("chat.completion");
        text.GetProperty("id").GetString()!.ShouldStartWith("chatcmpl-");
        JsonElement message = text.GetProperty("choices")[0].GetProperty("message");
        message.GetProperty("role").GetString().ShouldBe("assistant");
        message.GetProperty("content").GetString()!.Length.ShouldBeGreaterThan(0);
        Content(parts).ShouldBe(Content(text));
        text.GetProperty("usage").GetProperty("completion_tokens").GetInt32().ShouldBe(12);
    }

    [Fact]
    public async Task Template_NotSupported_TurnsChatOffAndNothingElse()
    {
        using TalesVariant model = new TalesVariant().WithText("chat_template.jinja", "{% include 'x' %}");
        using var log = new RecordingLoggers();
        await using TestServer server =
            await TestServer.ServeAsync(AsyncEngine.Load(model.Path), new ServerOptions { LoggerFactory = log });
        log.Troubles.Single().ShouldContain("chat: off, ");
        foreach (string path in new[] { "/v1/chat/completions", "/tokenize" })
        {
            (int status, JsonElement error) =
                await server.FailAsync(path, """{"messages": [{"role": "user", "content": "a"}]}""");
            status.ShouldBe(400);
            error.GetProperty("code").GetString().ShouldBe("chat_template_unsupported");
            error.GetProperty("param").ValueKind.ShouldBe(JsonValueKind.Null);
            error.GetProperty("message").GetString()!.ShouldContain("include");
        }

        await server.CompleteAsync("""{"prompt": "Once", "max_tokens": 1}""");
    }

    [Fact]
    public async Task MaxTokens_Absent_IsTheModelsOwnDefault()
    {
        JsonElement answer = await _server.ChatAsync(
            """{"messages": [{"role": "user", "content": "Go"}], "ignore_eos": true}""");
        answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32().ShouldBe(480);
        answer.GetProperty("choices")[0].GetProperty("finish_reason").GetString().ShouldBe("length");
    }

    [Theory]
    [InlineData("max_tokens")]
    [InlineData("max_completion_tokens")]
    public async Task MaxTokens_AboveTheModelsOwnDefault_Wins(string field)
    {
        JsonElement answer =
            await _server.ChatAsync(
                "{\"messages\": [{\"role\": \"user\", \"content\": \"Go\"}], \"ignore_eos\": true, \"" + field
                    + "\": 270}");
        answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32().ShouldBe(270);
    }

    [Fact]
    public async Task Logprobs_WithTop_SpellTheAnswerInBytes()
    {
        JsonElement answer = await _server.ChatAsync(
            """{"messages": [{"role": "user", "content": "Tell me a tale"}], "temperature": 0, "max_tokens": 10, "logprobs": true, "top_logprobs": 2, "ignore_eos": true}""");
        JsonElement[] entries =
            [.. answer.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("content").EnumerateArray()];
        entries.Length.ShouldBe(10);
        byte[] bytes = [.. entries.SelectMany(e => e.GetProperty("bytes").EnumerateArray().Select(b => b.GetByte()))];
        Encoding.UTF8.GetString(bytes).ShouldBe(Content(answer));
        foreach (JsonElement entry in entries)
        {
            JsonElement top = entry.GetProperty("top_logprobs");
            top.GetArrayLength().ShouldBe(2);
            top[0].GetProperty("token").GetString().ShouldBe(entry.GetProperty("token").GetString());
            top[0].GetProperty("logprob").GetDouble().ShouldBe(entry.GetProperty("logprob").GetDouble());
            top[1].GetProperty("logprob").GetDouble().ShouldBeLessThanOrEqualTo(
                top[0].GetProperty("logprob").GetDouble());
        }
    }

    [Fact]
    public async Task ContinueFinalMessage_WithEcho_GivesTheWholeTurn()
    {
        JsonElement answer = await _server.ChatAsync(
            """{"messages": [{"role": "user", "content": "Go"}, {"role": "assistant", "content": "Once upon"}], "add_generation_prompt": false, "continue_final_message": true, "echo": true, "temperature": 0, "max_tokens": 4, "return_token_ids": true}""");
        Content(answer).ShouldStartWith("Once upon");
        int[] prompt = [.. answer.GetProperty("prompt_token_ids").EnumerateArray().Select(e => e.GetInt32())];
        fixture.Engine.Tokenizer!.Decode(prompt).ShouldBe("Go Once upon");
        answer.GetProperty("choices")[0].GetProperty("token_ids").GetArrayLength().ShouldBe(4);
    }

    [Fact]
    public async Task Stream_Chat_IsRoleThenContentThenFinishThenUsage()
    {
        const string Body =
            """{"messages": [{"role": "user", "content": "Tell me a tale"}], "temperature": 0, "max_tokens": 12""";
        string whole = Content(await _server.ChatAsync(Body + "}"));
        List<JsonElement> events = await _server.StreamAsync(
            "/v1/chat/completions", Body + """, "stream": true, "stream_options": {"include_usage": true}}""");
        events.ShouldAllBe(e => e.GetProperty("object").GetString() == "chat.completion.chunk");
        events.Select(e => e.GetProperty("id").GetString()).Distinct().Count().ShouldBe(1);
        JsonElement first = events[0].GetProperty("choices")[0];
        first.GetProperty("delta").GetProperty("role").GetString().ShouldBe("assistant");
        first.GetProperty("finish_reason").ValueKind.ShouldBe(JsonValueKind.Null);
        events[0].GetProperty("usage").ValueKind.ShouldBe(JsonValueKind.Null);
        string.Concat(events[1..^2].Select(
            e => e.GetProperty("choices")[0].GetProperty("delta").GetProperty("content").GetString())).ShouldBe(whole);
        JsonElement finish = events[^2].GetProperty("choices")[0];
        finish.GetProperty("finish_reason").GetString().ShouldBe("length");
        finish.GetProperty("delta").EnumerateObject().ShouldBeEmpty();
        events[^1].GetProperty("choices").GetArrayLength().ShouldBe(0);
        events[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32().ShouldBe(12);
    }

    private static string Content(JsonElement answer) =>
        answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
}

using System.Text.Json;

namespace Octavo.Server.Tests;

public sealed class StreamingTests(ServerFixture fixture)
{
    private readonly TestServer _server = fixture.Client;

    [Fact]
    public async Task Stream_OfSeveralChoices_AddsUpToTheWholeAnswer()
    {
        const string Body =
            """{"prompt": ["Once upon a time", "The fox"], "n": 2, "seed": 3, "temperature": 0.9, "max_tokens": 20""";
        JsonElement whole = await _server.CompleteAsync(Body + "}");
        List<JsonElement> events = await _server.StreamAsync("/v1/completions", Body + ", \"stream\": true}");
        events.Any(e => e.TryGetProperty("usage", out _)).ShouldBeFalse();
        foreach (JsonElement choice in whole.GetProperty("choices").EnumerateArray())
        {
            int index = choice.GetProperty("index").GetInt32();
            JsonElement[] pieces = [.. events.SelectMany(e => e.GetProperty("choices").EnumerateArray())
                .Where(c => c.GetProperty("index").GetInt32() == index)];
            string.Concat(pieces.Select(p => p.GetProperty("text").GetString()))
                .ShouldBe(choice.GetProperty("text").GetString());
            pieces[^1].GetProperty("finish_reason").GetString()
                .ShouldBe(choice.GetProperty("finish_reason").GetString());
            pieces.SkipLast(1).ShouldAllBe(p => p.GetProperty("finish_reason").ValueKind == JsonValueKind.Null);
        }
    }

    [Fact]
    public async Task Stream_WithEchoAndLogprobs_AddsUpToTheWholeAnswer()
    {
        const string Body =
            """{"prompt": "Once upon a time", "echo": true, "logprobs": 1, "temperature": 0, "max_tokens": 6, "return_token_ids": true""";
        JsonElement whole = (await _server.CompleteAsync(Body + "}")).GetProperty("choices")[0];
        JsonElement[] pieces = [.. (await _server.StreamAsync("/v1/completions", Body + ", \"stream\": true}")).Select(
            e => e.GetProperty("choices")[0])];
        string.Concat(pieces.Select(p => p.GetProperty("text").GetString()))
            .ShouldBe(whole.GetProperty("text").GetString());
        pieces.SelectMany(p => Raw(p, "token_ids")).ShouldBe(Raw(whole, "token_ids"));
        pieces[0].GetProperty("prompt_token_ids").GetRawText()
            .ShouldBe(whole.GetProperty("prompt_token_ids").GetRawText());
        foreach (string list in new[] { "tokens", "token_logprobs", "top_logprobs", "text_offset" })
        {
            pieces.SelectMany(p => Raw(p.GetProperty("logprobs"), list))
                .ShouldBe(Raw(whole.GetProperty("logprobs"), list));
        }

        static string[] Raw(JsonElement owner, string name) =>
            [.. owner.GetProperty(name).EnumerateArray().Select(e => e.GetRawText())];
    }

    [Fact]
    public async Task Stream_StopAcrossTokens_ShowsNothingOfIt()
    {
        int[] greedy = Expected.Greedy(0)[..14];
        string whole = fixture.Engine.Tokenizer!.Decode(greedy);
        string before = fixture.Engine.Tokenizer.Decode(greedy[..8]);

        // From the middle of one token to the middle of the one after the next.
        string stop = whole[(before.Length - 2)..(before.Length + 3)];
        List<JsonElement> events = await _server.StreamAsync(
            "/v1/completions",
            $$"""{"prompt": "Once upon a time", "temperature": 0, "max_tokens": 14, "stop": {{JsonSerializer.Serialize(stop)}}, "stream": true}""");
        string streamed = string.Concat(
            events.Select(e => e.GetProperty("choices")[0].GetProperty("text").GetString()));
        streamed.ShouldBe(whole[..whole.IndexOf(stop, StringComparison.Ordinal)]);
        JsonElement last = events[^1].GetProperty("choices")[0];
        last.GetProperty("finish_reason").GetString().ShouldBe("stop");
        last.GetProperty("stop_reason").GetString().ShouldBe(stop);
    }

    [Fact]
    public async Task Usage_Continuous_GrowsByTheToken()
    {
        List<JsonElement> events = await _server.StreamAsync(
            "/v1/completions",
            """{"prompt": "Once upon a time", "max_tokens": 5, "ignore_eos": true, "stream": true, "stream_options": {"include_usage": true, "continuous_usage_stats": true}}""");
        events.Select(e => e.GetProperty("usage").GetProperty("completion_tokens").GetInt32())
            .ShouldBe([1, 2, 3, 4, 5, 5]);
    }

    [Fact]
    public async Task Stream_Sixteen_EachSaysWhatItSaysAlone()
    {
        string[] bodies = [.. Enumerable.Range(0, 16).Select(i =>
            $$"""{"prompt": {{JsonSerializer.Serialize(Expected.Prompt(i % Expected.Count))}}, "seed": {{i}}, "temperature": 0.8, "max_tokens": {{20 + i}}, "stream": true}""")];
        var alone = new List<string>();
        foreach (string body in bodies)
        {
            alone.Add(await TextAsync(body));
        }

        string[] together = await Task.WhenAll(bodies.Select(TextAsync));
        together.ShouldBe(alone);

        async Task<string> TextAsync(string body) =>
            string.Concat((await _server.StreamAsync("/v1/completions", body)).Select(
                e => e.GetProperty("choices")[0].GetProperty("text").GetString()));
    }
}

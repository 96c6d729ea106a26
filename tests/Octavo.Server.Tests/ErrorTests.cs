using System.Net;
using System.Text;
using System.Text.Json;

namespace Octavo.Server.Tests;

public sealed class ErrorTests(ServerFixture fixture)
{
    private readonly TestServer _server = fixture.Client;

    [Theory]
    [InlineData("{\"prompt\": \"a\",}", null, "line 1, byte 16")]
    [InlineData("", null, "not valid JSON")]
    [InlineData("[]", null, "must be a JSON object")]
    [InlineData("{}", "prompt", "prompt is required")]
    [InlineData("{\"prompt\": 5}", "prompt", "must be a string, a list of strings")]
    [InlineData("{\"prompt\": []}", "prompt", "must be a string")]
    [InlineData("{\"prompt\": [\"a\", 1]}", "prompt[1]", "must be a string")]
    [InlineData("{\"prompt\": [1, \"a\"]}", "prompt[1]", "must be an integer")]
    [InlineData("{\"prompt\": [[1], []]}", "prompt", "at least one token")]
    [InlineData("{\"prompt\": [99999999]}", "prompt", "token ids from 0")]
    [InlineData("{\"prompt\": \"\\ud800\"}", "prompt", "valid Unicode")]
    [InlineData("{\"prompt\": \"a\", \"temperature\": \"hot\"}", "temperature", "temperature must be a number")]
    [InlineData("{\"prompt\": \"a\", \"temperature\": -1}", "temperature", "must be 0 or more")]
    [InlineData("{\"prompt\": \"a\", \"top_p\": 2}", "top_p", "at most 1")]
    [InlineData("{\"prompt\": \"a\", \"top_p\": 1e999}", "top_p", "must be a number")]
    [InlineData("{\"prompt\": \"a\", \"n\": 0}", "n", "at least 1")]
    [InlineData("{\"prompt\": \"a\", \"n\": 2000000000}", "n", "at most 16384")]
    [InlineData("{\"prompt\": [\"a\", \"b\"], \"n\": 9000}", "n", "at most 16384")]
    [InlineData("{\"prompt\": \"a\", \"n\": 1.5}", "n", "must be an integer")]
    [InlineData("{\"prompt\": \"a\", \"n\": 3000000000}", "n", "must be an integer from -2147483648 to 2147483647")]
    [InlineData("{\"prompt\": \"a\", \"seed\": 1e300}", "seed", "must be an integer from -9223372036854775808 to "
        + "9223372036854775807")]
    [InlineData(
        "{\"prompt\": \"a\", \"seed\": 9223372036854775808}",
        "seed",
        "must be an integer from -9223372036854775808 to")]
    [InlineData("{\"prompt\": \"a\", \"stream\": \"yes\"}", "stream", "must be true or false")]
    [InlineData("{\"prompt\": \"a\", \"stream_options\": {\"include_usage\": true}}", "stream_options", "needs stream")]
    [InlineData(
        "{\"prompt\": \"a\", \"stream\": true, \"stream_options\": {\"include_usage\": 1}}",
        "stream_options.include_usage", "must be true or false")]
    [InlineData("{\"prompt\": \"a\", \"stop\": 5}", "stop", "must be a string or a list of strings")]
    [InlineData("{\"prompt\": \"a\", \"stop\": [\"\"]}", "stop", "empty string")]
    [InlineData("{\"prompt\": \"a\", \"logit_bias\": {\"x\": 1}}", "logit_bias", "token ids as keys")]
    [InlineData("{\"prompt\": \"a\", \"logit_bias\": {\"1\": 101}}", "logit_bias", "between -100 and 100")]
    [InlineData("{\"prompt\": \"a\", \"logprobs\": true}", "logprobs", "must be an integer")]
    [InlineData("{\"prompt\": \"a\", \"logprobs\": 21}", "logprobs", "at most 20")]
    [InlineData("{\"prompt\": \"a\", \"max_tokens\": 0}", "max_tokens", "at least 1")]
    [InlineData("{\"prompt\": \"a\", \"min_tokens\": 20}", "min_tokens", "at most max_tokens")]
    [InlineData("{\"prompt\": \"a\", \"suffix\": \"b\"}", "suffix", "not supported")]
    [InlineData("{\"prompt\": \"a\", \"best_of\": 3}", "best_of", "not supported")]
    [InlineData(
        "{\"prompt\": \"a\", \"response_format\": {\"type\": \"json_object\"}}", "response_format", "not supported")]
    [InlineData(
        "{\"prompt\": \"a\", \"stream\": true, \"prompt_logprobs\": 1}",
        "prompt_logprobs",
        "not available with stream")]
    [InlineData("{\"prompt\": \"a\", \"use_beam_search\": true, \"stream\": true}", "stream", "beam")]
    [InlineData(
        "{\"prompt\": \"a\", \"use_beam_search\": true, \"stop\": \"b\"}",
        "stop",
        "not supported with use_beam_search")]
    [InlineData("{\"prompt\": \"a\", \"use_beam_search\": true, \"n\": 15}", "n", "at most 20")]
    [InlineData("{\"prompt\": \"a\", \"cache_salt\": \"\"}", "cache_salt", "must not be empty")]
    [InlineData("{\"prompt\": \"a\", \"truncate_prompt_tokens\": 0}", "truncate_prompt_tokens", "at least 1")]
    [InlineData(
        "{\"prompt\": \"a\", \"repetition_detection\": {\"max_pattern_size\": 2, \"min_count\": 1}}",
        "repetition_detection.min_count", "at least 2")]
    public async Task Completion_Wrong_NamesTheField(string body, string? param, string message)
    {
        (int status, JsonElement error) = await _server.FailAsync("/v1/completions", body);
        status.ShouldBe(400);
        error.GetProperty("message").GetString()!.ShouldContain(message);
        error.GetProperty("param").GetString().ShouldBe(param);
        error.GetProperty("type").GetString().ShouldBe("invalid_request_error");
    }

    [Theory]
    [InlineData("{}", "messages", "messages is required")]
    [InlineData("{\"messages\": []}", "messages", "messages is required")]
    [InlineData("{\"messages\": \"hi\"}", "messages", "must be a list")]
    [InlineData("{\"messages\": [{\"content\": \"a\"}]}", "messages[0]", "must have a role")]
    [InlineData("{\"messages\": [{\"role\": \"user\"}]}", "messages[0]", "must have a content")]
    [InlineData(
        "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]}",
        "messages[0].content[0].type", "supported: text")]
    [InlineData(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"logprobs\": 3}", "logprobs",
        "must be true or false")]
    [InlineData(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"top_logprobs\": 3}", "top_logprobs",
        "needs logprobs")]
    [InlineData(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"logprobs\": true, \"top_logprobs\": 30}",
        "top_logprobs", "top_logprobs must be at most 20")]
    [InlineData(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"tools\": [{\"type\": \"function\"}]}", "tools",
        "not supported")]
    [InlineData(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"tool_choice\": \"required\"}", "tool_choice",
        "not supported")]
    [InlineData(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"modalities\": [\"text\", \"audio\"]}",
        "modalities", "not supported")]
    [InlineData("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"max_completion_tokens\": 5, "
        + "\"max_tokens\": \"x\"}", "max_tokens", "must be an integer")]
    [InlineData(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"max_completion_tokens\": 0}",
        "max_completion_tokens", "max_completion_tokens must be at least 1")]
    [InlineData(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"continue_final_message\": true}",
        "continue_final_message", "add_generation_prompt")]
    public async Task Chat_Wrong_NamesTheField(string body, string param, string message)
    {
        (int status, JsonElement error) = await _server.FailAsync("/v1/chat/completions", body);
        status.ShouldBe(400);
        error.GetProperty("message").GetString()!.ShouldContain(message);
        error.GetProperty("param").GetString().ShouldBe(param);
    }

    [Theory]
    [InlineData("completions", "\"prompt\": \"a\", \"max_tokens\": 0", "max_tokens must be at least 1; it is 0")]
    [InlineData(
        "completions", "\"prompt\": \"a\", \"max_tokens\": 5, \"min_tokens\": 9",
        "min_tokens must be at most max_tokens (5); it is 9")]
    [InlineData("completions", "\"prompt\": \"a\", \"logprobs\": 21", "logprobs must be at most 20 (max_logprobs); it "
        + "is 21")]
    [InlineData(
        "completions",
        "\"prompt\": \"a\", \"repetition_detection\": {\"max_pattern_size\": 1, \"min_pattern_size\": 2}",
        "repetition_detection.max_pattern_size must be at least min_pattern_size; it is 1")]
    [InlineData("completions", "\"prompt\": \"a\", \"use_beam_search\": true, \"n\": 15", "n, the number of beams, "
        + "asks for 30 candidates: logprobs must be at most 20 (max_logprobs); it is 30")]
    [InlineData(
        "chat/completions",
        "\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"max_completion_tokens\": 5, \"min_tokens\": 9",
        "min_tokens must be at most max_completion_tokens (5); it is 9")]
    [InlineData("chat/completions", "\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"logprobs\": true, "
        + "\"top_logprobs\": 30", "top_logprobs must be at most 20 (max_logprobs); it is 30")]
    public async Task Rule_OfTheEngine_IsToldInTheBodysNames(string path, string fields, string message)
    {
        (int status, JsonElement error) = await _server.FailAsync("/v1/" + path, "{" + fields + "}");
        status.ShouldBe(400);
        error.GetProperty("message").GetString().ShouldBe(message);
    }

    [Fact]
    public async Task Fields_ThatChangeNothing_AreAccepted()
    {
        await _server.ChatAsync(
            """{"messages": [{"role": "user", "content": "a", "name": "n"}], "max_tokens": 1, "tools": [], "tool_choice": "auto", "parallel_tool_calls": true, "response_format": {"type": "text"}, "store": false, "service_tier": "auto", "user": "u", "metadata": null, "modalities": ["text"], "temperature": null, "n": 1.0}""");
    }

    [Theory]
    [InlineData("/v1/completions", "{\"prompt\": \"a\", \"max_tokens\": 512}", "max_tokens")]
    [InlineData("/v1/completions", "{\"prompt\": \"a\", \"max_tokens\": 2147483647}", "max_tokens")]
    [InlineData(
        "/v1/chat/completions",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"max_completion_tokens\": 512}",
        "max_completion_tokens")]
    [InlineData("/v1/completions", "{\"prompt\": \"LONG\"}", "prompt")]
    [InlineData("/v1/chat/completions", "{\"messages\": [{\"role\": \"user\", \"content\": \"LONG\"}]}", "messages")]
    public async Task Context_Exceeded_SaysBy(string path, string body, string param)
    {
        (int status, JsonElement error) = await _server.FailAsync(
            path, body.Replace("LONG", string.Join(' ', Enumerable.Repeat("tale", 600)), StringComparison.Ordinal));
        status.ShouldBe(400);
        error.GetProperty("code").GetString().ShouldBe("context_length_exceeded");
        error.GetProperty("param").GetString().ShouldBe(param);
        error.GetProperty("message").GetString()!.ShouldContain("maximum context length is 512 tokens");
    }

    [Fact]
    public async Task Model_Unknown_IsNotFound()
    {
        (int status, JsonElement error) = await _server
            .FailAsync("/v1/completions", """{"model": "gpt-9", "prompt": "a"}""");
        status.ShouldBe(404);
        error.GetProperty("code").GetString().ShouldBe("model_not_found");
    }

    [Theory]
    [InlineData("GET", "/v1/nowhere", 404)]
    [InlineData("GET", "/v1/completions", 405)]
    [InlineData("DELETE", "/v1/models", 405)]
    [InlineData("GET", "/v1/models/gpt-9", 404)]
    public async Task Route_Wrong_IsAnsweredInJson(string method, string path, int expected)
    {
        using HttpResponseMessage response = await _server.Http
            .SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
        ((int)response.StatusCode).ShouldBe(expected);
        response.Headers.GetValues("X-Request-Id").Single().ShouldNotBeEmpty();
        JsonElement error = JsonSerializer.Deserialize<JsonElement>(await response.Content.ReadAsStringAsync())
            .GetProperty("error");
        error.GetProperty("message").GetString().ShouldNotBeNullOrEmpty();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Body_TooLarge_Is413(bool chunked)
    {
        await using TestServer server = await TestServer
            .StartAsync(null, new ServerOptions { MaxRequestBodyBytes = 1000 });
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content =
            new StringContent($"{{\"prompt\": \"{new string('a', 5000)}\"}}", Encoding.UTF8, "application/json")
        };
        request.Headers.TransferEncodingChunked = chunked;
        using HttpResponseMessage response = await server.Http.SendAsync(request);
        response.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        (await response.Content.ReadAsStringAsync()).ShouldContain("request_too_large");
    }

    [Fact]
    public async Task OneBadPrompt_AmongGood_RunsNone()
    {
        await using TestServer server = await TestServer.StartAsync();
        (await server.FailAsync("/v1/completions", """{"prompt": [[500], [99999999]], "max_tokens": 5}""")).Status
            .ShouldBe(400);
        server.Engine.NumRequests.ShouldBe(0);
        (await MetricsTests.ValueAsync(server, "vllm:prompt_tokens_total")).ShouldBe(0);
    }
}

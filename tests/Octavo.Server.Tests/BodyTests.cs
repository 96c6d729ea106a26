using System.Text;
using System.Text.Json;

namespace Octavo.Server.Tests;

/// <summary>What a body must be before its fields matter.</summary>
public sealed class BodyTests(ServerFixture fixture)
{
    private readonly TestServer _server = fixture.Client;

    [Theory]
    [InlineData("{\"prompt\": \"a\u00ff\", \"max_tokens\": 1}")]
    [InlineData("{\"prompt\": \"a\", \"max_tokens\": 1, \"user\": \"\u00ff\"}")]
    [InlineData("{\"prompt\": \"a\", \"max_tokens\": 1, \"unknown\": {\"deep\": [\"\u00e9t\u00e9\"]}}")]
    [InlineData("{\"prompt\": \"a\", \"max_tokens\": 1, \"\u00fe\": 1}")]
    public async Task Body_WithInvalidUtf8Anywhere_Is400(string latin)
    {
        (int status, JsonElement error) = await SendAsync(Encoding.Latin1.GetBytes(latin), "application/json");
        status.ShouldBe(400);
        error.GetProperty("message").GetString()!.ShouldContain("UTF-8");
        error.GetProperty("code").GetString().ShouldBe("invalid_utf8");
    }

    /// <summary>As in Python: of a name that stands twice, the last counts, however deep.</summary>
    [Theory]
    [InlineData(
        "/v1/completions",
        "{\"prompt\": \"a\", \"max_tokens\": 5, \"max_tokens\": 1, \"vllm_xargs\": {\"a\": 1, \"a\": 2}}")]
    [InlineData(
        "/v1/completions", "{\"prompt\": \"a\", \"max_tokens\": 1, \"vllm_xargs\": {\"a\": {\"b\": 1, \"b\": 2}}}")]
    [InlineData("/v1/chat/completions", "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"max_tokens\": "
        + "1, \"chat_template_kwargs\": {\"a\": {\"b\": 1, \"b\": 2}}}")]
    public async Task Body_WithANameTwice_TakesTheLast(string path, string body) =>
        (await _server.CallAsync(path, body)).GetProperty("usage").GetProperty("completion_tokens").GetInt32()
            .ShouldBe(1);

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/json; charset=utf-8")]
    [InlineData("Application/JSON;charset=\"UTF-8\"")]
    [InlineData("application/vnd.api+json")]
    public async Task ContentType_OfJson_IsRead(string type) =>
        (await SendAsync(Encoding.UTF8.GetBytes("\uFEFF{\"prompt\": \"é\", \"max_tokens\": 1}"), type)).Status
            .ShouldBe(200);

    [Theory]
    [InlineData(null)]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("multipart/form-data; boundary=a")]
    [InlineData("application/json; charset=iso-8859-1")]
    [InlineData("application/json; charset=utf-16")]
    [InlineData("nonsense")]
    public async Task ContentType_Other_Is415(string? type)
    {
        foreach (string path in new[] { "/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize" })
        {
            (int status, JsonElement error) = await SendAsync(
                "{\"prompt\": \"a\", \"max_tokens\": 1}"u8.ToArray(), type, path);
            status.ShouldBe(415);
            error.GetProperty("message").GetString()!.ShouldContain("application/json");
        }
    }

    [Theory]
    [InlineData(
        "{\"prompt\": \"a\", \"stream\": true, \"stream_options\": {\"continuous_usage_stats\": true}}",
        "stream_options.continuous_usage_stats", "include_usage")]
    [InlineData("{\"prompt\": \"a\", \"stream\": true, \"stream_options\": {\"continuous_usage_stats\": true, "
        + "\"include_usage\": false}}", "stream_options.continuous_usage_stats", "include_usage")]
    public async Task ContinuousUsage_WithoutUsage_IsRefused(string body, string param, string message)
    {
        (int status, JsonElement error) = await _server.FailAsync("/v1/completions", body);
        status.ShouldBe(400);
        error.GetProperty("param").GetString().ShouldBe(param);
        error.GetProperty("message").GetString()!.ShouldContain(message);
    }

    [Theory]
    [InlineData("\"tool_choice\": \"auto\"", "tool_choice")]
    [InlineData("\"tool_choice\": \"required\"", "tool_choice")]
    [InlineData("\"tool_choice\": {\"type\": \"function\", \"function\": {\"name\": \"f\"}}", "tool_choice")]
    [InlineData("\"tool_choice\": \"auto\", \"tools\": null", "tool_choice")]
    [InlineData("\"function_call\": \"auto\"", "function_call")]
    [InlineData("\"tool_choice\": \"none\"", null)]
    [InlineData("\"tool_choice\": null", null)]
    public async Task ToolChoice_WithoutTools_IsRefused(string members, string? param)
    {
        string body = $$"""{"messages": [{"role": "user", "content": "a"}], "max_tokens": 1, {{members}}}""";
        using HttpResponseMessage response = await _server.PostAsync("/v1/chat/completions", body);
        ((int)response.StatusCode).ShouldBe(param is null ? 200 : 400);
        if (param is not null)
        {
            JsonSerializer.Deserialize<JsonElement>(await response.Content.ReadAsStringAsync()).GetProperty("error")
                .GetProperty("param").GetString().ShouldBe(param);
        }
    }

    private async Task<(int Status, JsonElement Error)> SendAsync(
        byte[] body, string? type, string path = "/v1/completions")
    {
        var content = new ByteArrayContent(body);
        if (type is not null)
        {
            content.Headers.TryAddWithoutValidation("Content-Type", type).ShouldBeTrue();
        }

        using HttpResponseMessage response = await _server.Http.PostAsync(path, content);
        JsonElement answer = JsonSerializer.Deserialize<JsonElement>(await response.Content.ReadAsStringAsync());
        return ((int)response.StatusCode, answer.TryGetProperty("error", out JsonElement error) ? error : answer);
    }
}

using System.Text.Json;
using Octavo.Testing;

namespace Octavo.Server.Tests;

/// <summary>What of a chat's body reaches the template.</summary>
public sealed class ToolPromptTests
{
    private const string Template =
        """
        {%- for m in messages %}[{{ m.role }}{{ ':' ~ m.name if m.name }}{{ '#' ~ m.tool_call_id if m.tool_call_id }}]
        {{- '(' ~ m.reasoning_content ~ ')' if m.reasoning_content }}{{ m.content }}
        {%- for c in m.tool_calls or [] %}<{{ c.function.name }} {{ c.function.arguments.items() | list }}>{% endfor %}
        {%- endfor %}
        {%- if tools %} T{{ tools | tojson }}{% endif %}
        {%- if documents %} D{{ documents | map(attribute='text') | join('+') }}{% endif %}
        {%- if share is defined %} {{ share * 2 }}{% endif %}
        {%- if add_generation_prompt %}[assistant]{% endif %}
        """;

    private const string Tools = """[{"type": "function", "function": {"name": "f", "parameters": {"x": 1.0}}}]""";
    private const string Turn = "\"messages\": [{\"role\": \"user\", \"content\": \"Go\"}]";

    [Fact]
    public async Task Chat_WithTools_RendersWhatTheBodySays()
    {
        using TalesVariant model = new TalesVariant().WithText("chat_template.jinja", Template);
        await using TestServer server = await TestServer.ServeAsync(AsyncEngine.Load(model.Path));
        (await PromptAsync($$$"""{{{{Turn}}}, "tools": {{{Tools}}}}""")).ShouldBe(
            """[user]Go T[{"type": "function", "function": {"name": "f", "parameters": {"x": 1.0}}}][assistant]""");
        (await PromptAsync($$$"""{{{{Turn}}}, "tools": {{{Tools}}}, "tool_choice": "none"}""")).ShouldContain(" T[{");
        (await PromptAsync($$$"""{{{{Turn}}}, "documents": [{"text": "one"}, {"text": "two"}]}"""))
            .ShouldBe("[user]Go Done+two[assistant]");
        (await PromptAsync($$$"""{{{{Turn}}}, "chat_template_kwargs": {"share": 0.25} }"""))
            .ShouldBe("[user]Go 0.5[assistant]");
        (await PromptAsync(
            """
            {"messages": [
                {"role": "user", "content": "Go", "name": "Ann"},
                {"role": "assistant", "content": null, "reasoning": "hm", "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": [1, null]}"}},
                    {"id": "2", "type": "function", "function": {"name": "g", "arguments": ""}}]},
                {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "7"}]}]}
            """)).ShouldBe("[user:Ann]Go[assistant](hm)<f [('x', [1, None])]><g []>[tool#1]7[assistant]");
        (await PromptAsync(
            """
            {"messages": [{"role": "user", "content": "Go"}, {"role": "assistant", "content": "Once "}],
             "add_generation_prompt": false, "continue_final_message": true}
            """)).ShouldBe("[user]Go[assistant]Once ");
        (await PromptAsync($$$"""{{{{Turn}}}, "chat_template": "<{{ messages[0].content }}>"}""")).ShouldBe("<Go>");

        await FailAsync($$$"""{{{{Turn}}}, "tools": {{{Tools}}}, "tool_choice": "required"}""", "tool_choice");
        await FailAsync($$$"""{{{{Turn}}}, "tools": [{"type": "function", "function": {}}]}""", "tools[0]");
        await FailAsync($$$"""{{{{Turn}}}, "tools": {{{Tools}}}, "chat_template": "a"}""", "tools");
        await FailAsync($$$"""{{{{Turn}}}, "chat_template": "{% if %}"}""", "chat_template");
        await FailAsync(
            """{"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]}""",
            "messages[0].tool_calls[0].function.arguments");
        await FailAsync("""{"messages": [{"role": "assistant"}]}""", "messages[0]");

        // What /tokenize counts is what a chat sends.
        async Task<string> PromptAsync(string body)
        {
            JsonElement tokens = (await server.CallAsync("/tokenize", body)).GetProperty("tokens");
            string prompt = server.Engine.Tokenizer!.Decode(
                [.. tokens.EnumerateArray().Select(e => e.GetInt32())], skipSpecialTokens: false);
            JsonElement answer = await server.ChatAsync(body.Trim()[..^1] + """, "max_tokens": 1}""");
            answer.GetProperty("usage").GetProperty("prompt_tokens").GetInt32().ShouldBe(tokens.GetArrayLength());
            return prompt;
        }

        async Task FailAsync(string body, string param)
        {
            (int status, JsonElement error) = await server.FailAsync("/v1/chat/completions", body);
            status.ShouldBe(400, error.ToString());
            error.GetProperty("param").GetString().ShouldBe(param, error.ToString());
        }
    }
}

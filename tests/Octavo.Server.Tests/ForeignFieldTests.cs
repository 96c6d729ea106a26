using System.Text.Json;
using Octavo.Server.Protocols.OpenAI;
using Octavo.Testing;

namespace Octavo.Server.Tests;

/// <summary>Fields that belong to other servers, or to models that do more than this one.</summary>
public sealed class ForeignFieldTests(ServerFixture fixture)
{
    private const string Turn = """ "messages": [{"role": "user", "content": "Go"}], "max_tokens": 1""";

    private readonly TestServer _server = fixture.Client;

    [Theory]
    [InlineData("grammar", "\"root ::= \\\"a\\\"\"")]
    [InlineData("json_schema", "{\"type\": \"object\"}")]
    [InlineData("typical_p", "0.9")]
    [InlineData("typ_p", "0.9")]
    [InlineData("mirostat", "2")]
    [InlineData("dry_multiplier", "0.8")]
    [InlineData("xtc_probability", "0.5")]
    [InlineData("top_n_sigma", "1.5")]
    [InlineData("dynatemp_range", "0.5")]
    [InlineData("repeat_penalty", "1.1")]
    [InlineData("n_predict", "5")]
    [InlineData("n_probs", "3")]
    [InlineData("samplers", "[\"top_k\"]")]
    [InlineData("structural_tag", "{\"structures\": [], \"triggers\": []}")]
    [InlineData("structured_outputs", "{\"choice\": [\"a\", \"b\"]}")]
    [InlineData("guided_choice", "[\"a\"]")]
    [InlineData("format", "\"json\"")]
    [InlineData("options", "{\"temperature\": 0}")]
    [InlineData("thinking", "{\"type\": \"enabled\", \"budget_tokens\": 1024}")]
    [InlineData("enable_thinking", "true")]
    [InlineData("think", "\"high\"")]
    [InlineData("reasoning", "{\"effort\": \"high\"}")]
    [InlineData("thinking_budget", "100")]
    [InlineData("media_io_kwargs", "{\"video\": {\"num_frames\": 4}}")]
    [InlineData("mm_processor_kwargs", "{\"a\": 1}")]
    [InlineData("return_prompt_text", "true")]
    [InlineData("ec_transfer_params", "{\"a\": 1}")]
    [InlineData("watermarking", "true")]
    [InlineData("regex", "\"a+\"")]
    [InlineData("ebnf", "\"root ::= a\"")]
    [InlineData("no_stop_trim", "true")]
    [InlineData("lora_path", "\"x\"")]
    [InlineData("return_hidden_states", "true")]
    [InlineData("max_new_tokens", "5")]
    [InlineData("do_sample", "false")]
    [InlineData("num_beams", "4")]
    [InlineData("stop_sequences", "[\"a\"]")]
    [InlineData("tools", "[{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]")]
    [InlineData("system", "\"Be brief.\"")]
    [InlineData("response_format", "{\"type\": \"json_object\"}")]
    [InlineData("stop_strings", "[\"a\"]")]
    [InlineData("stop_sequence", "[\"a\"]")]
    [InlineData("rep_pen", "1.2")]
    [InlineData("typical", "0.5")]
    [InlineData("tfs", "0.9")]
    [InlineData("cfg_scale", "1.5")]
    [InlineData("repetition_context_size", "20")]
    [InlineData("sampler_seed", "7")]
    [InlineData("transforms", "[\"middle-out\"]")]
    [InlineData("prompt_truncate_len", "10")]
    [InlineData("context_length_exceeded_behavior", "\"truncate\"")]
    [InlineData("reasoning_budget", "1024")]
    public async Task Field_ThatWouldChangeTheAnswer_IsRefusedByName(string field, string value)
    {
        foreach ((string path, string start) in new[]
        {
            ("/v1/completions", """ "prompt": "Go", "max_tokens": 1"""), ("/v1/chat/completions", Turn)
        })
        {
            (int status, JsonElement error) = await _server
                .FailAsync(path, $$"""{{{start}}, "{{field}}": {{value}}}""");
            status.ShouldBe(400, path);
            error.GetProperty("param").GetString().ShouldBe(field);
            error.GetProperty("message").GetString()!.ShouldContain(field);
            await _server.CallAsync(path, $$"""{{{start}}, "{{field}}": null}""");
        }
    }

    [Theory]
    [InlineData("mirostat", "0")]
    [InlineData("typical_p", "1")]
    [InlineData("typical_p", "1.0")]
    [InlineData("dry_multiplier", "0.0")]
    [InlineData("xtc_probability", "0")]
    [InlineData("repeat_penalty", "1")]
    [InlineData("top_n_sigma", "-1")]
    [InlineData("grammar", "\"\"")]
    [InlineData("num_beams", "1")]
    [InlineData("do_sample", "true")]
    [InlineData("tools", "[]")]
    [InlineData("structured_outputs", "{\"json\": null}")]
    [InlineData("enable_thinking", "false")]
    [InlineData("thinking", "{\"type\": \"disabled\"}")]
    [InlineData("think", "false")]
    [InlineData("cache_prompt", "true")]
    [InlineData("stream_interval", "4")]
    [InlineData("thinking_budget", "0")]
    [InlineData("reasoning_budget", "-1")]
    [InlineData("rep_pen", "1.0")]
    [InlineData("typical", "1")]
    [InlineData("context_length_exceeded_behavior", "\"error\"")]
    public async Task Field_ThatChangesNothing_IsAccepted(string field, string value) =>
        await _server.ChatAsync($$"""{{{Turn}}, "{{field}}": {{value}}}""");

    [Fact]
    public void Fields_OfVllm_AreAllKnown()
    {
        const string Both = """
            model frequency_penalty logit_bias logprobs max_tokens n presence_penalty response_format seed stop stream stream_options temperature
            top_p user use_beam_search top_k min_p repetition_penalty watermarking length_penalty stop_token_ids include_stop_str_in_output
            ignore_eos min_tokens skip_special_tokens spaces_between_special_tokens truncate_prompt_tokens truncation_side prompt_logprobs
            logprob_token_ids allowed_token_ids bad_words echo add_special_tokens structured_outputs priority request_id session_id
            return_tokens_as_token_ids return_token_ids routed_experts_prompt_start return_token_offsets return_mm_kwargs cache_salt
            kv_transfer_params ec_transfer_params vllm_xargs repetition_detection thinking_token_budget stream_interval
            """;
        const string Chat = """
            messages top_logprobs max_completion_tokens tools tool_choice reasoning_effort include_reasoning parallel_tool_calls
            add_generation_prompt continue_final_message documents chat_template chat_template_kwargs media_io_kwargs mm_processor_kwargs
            return_prompt_text return_assistant_tokens_mask
            """;
        Unknown(GenerationFields.Chat.Select(f => f.Key), Both + " " + Chat).ShouldBeEmpty();
        Unknown(GenerationFields.Completion.Select(f => f.Key), Both + " prompt suffix prompt_embeds best_of")
            .ShouldBeEmpty();

        static IEnumerable<string> Unknown(IEnumerable<string> known, string names) =>
            names.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Except(known);
    }

    [Fact]
    public async Task Field_OfTheOtherEndpoint_IsRefused()
    {
        await FailAsync(
            "/v1/completions", """{"prompt": "a", "messages": [{"role": "user", "content": "a"}]}""", "messages");
        await FailAsync("/v1/completions", """{"prompt": "a", "max_completion_tokens": 2}""", "max_completion_tokens");
        await FailAsync("/v1/chat/completions", $$"""{{{Turn}}, "prompt": "a"}""", "prompt");
        await FailAsync("/v1/chat/completions", $$"""{{{Turn}}, "suffix": "a"}""", "suffix");
        await FailAsync(
            "/tokenize",
            """{"messages": [{"role": "user", "content": "a"}], "tools": [{"type": "function"}]}""",
            "tools");
        await FailAsync(
            "/tokenize",
            """{"messages": [{"role": "user", "content": "a"}], "enable_thinking": true}""",
            "enable_thinking");
        await FailAsync("/detokenize", """{"tokens": [1], "skip_special_tokens": true}""", "skip_special_tokens");
    }

    [Theory]
    [InlineData("\"prefix\": true", "prefix")]
    [InlineData("\"images\": [\"abc\"]", "images")]
    [InlineData("\"video\": \"abc\"", "video")]
    [InlineData("\"files\": [1]", "files")]
    [InlineData("\"tool_calls\": [{\"function\": {\"name\": \"f\"}}]", "tool_calls")]
    public async Task MessageField_ThatWouldChangeTheAnswer_IsRefusedByName(string member, string field) =>
        await FailAsync(
            "/v1/chat/completions",
            $$"""{"messages": [{"role": "assistant", "content": "a", {{member}}}]}""",
            "messages[0]." + field);

    [Fact]
    public async Task PartOfText_WithMediaBesides_IsRefusedByName()
    {
        const string Body =
            """{"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "image_url": <>, "cache_control": {"type": "ephemeral"}}]}], "max_tokens": 1}""";
        await FailAsync(
            "/v1/chat/completions",
            Body.Replace("<>", """{"url": "x"}""", StringComparison.Ordinal),
            "messages[0].content[0].image_url");
        await _server.ChatAsync(Body.Replace("<>", "null", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Field_WithoutEffect_IsNamedInTheLogOnce()
    {
        using var log = new RecordingLoggers();
        await using TestServer server = await TestServer
            .StartAsync(TestServer.Fixed, new ServerOptions { LoggerFactory = log });
        const string Body = """
            {"messages": [{"role": "user", "content": "Go", "name": "Ann", "mood": 1}], "max_tokens": 1, "reasoning_effort": "high",
             "verbosity": "low", "store": true, "wibble\n2": 1, "user": "u", "stream": true, "stream_options": {"include_usage": true, "wobble": 1}}
            """;
        await server.StreamAsync("/v1/chat/completions", Body);
        await server.StreamAsync("/v1/chat/completions", Body);
        foreach (string field in new[]
        {
            "reasoning_effort", "verbosity", "store", "wibble?2", "stream_options.wobble", "messages[].name",
            "messages[].mood"
        })
        {
            log.Seen.Count(l => l.TrimEnd().EndsWith(": " + field, StringComparison.Ordinal)).ShouldBe(1, field);
        }

        log.Seen.ShouldNotContain(l => l.TrimEnd().EndsWith(": user", StringComparison.Ordinal));
        log.Troubles.ShouldBeEmpty();
    }

    [Fact]
    public async Task TemplateThatKnowsThinking_GetsWhatTheRequestSays()
    {
        const string Template = "{{ messages[0]['content'] }}{% if enable_thinking %} loud{% else %} "
            + "calm{% endif %}{% if reasoning_effort is defined %} {{ reasoning_effort }}{% endif %}";
        await using TestServer server = await ServeAsync(Template);
        (await PromptAsync("")).ShouldBe("Go calm");
        (await PromptAsync(""", "chat_template_kwargs": {"enable_thinking": true}""")).ShouldBe("Go loud");
        (await PromptAsync(""", "chat_template_kwargs": {"enable_thinking": 1}""")).ShouldBe("Go loud");
        (await PromptAsync(""", "reasoning_effort": "low" """)).ShouldBe("Go loud low");
        (await PromptAsync(""", "reasoning_effort": "none" """)).ShouldBe("Go calm none");
        (await PromptAsync(""", "reasoning_effort": "low", "chat_template_kwargs": {"enable_thinking": false}"""))
            .ShouldBe("Go calm low");
        (await PromptAsync(""", "chat_template_kwargs": {"enable_thinking": false, "enable_thinking": true}"""))
            .ShouldBe("Go loud");

        // What /tokenize counts is what a chat would send.
        JsonElement tokens = await server.CallAsync(
            "/tokenize", """{"messages": [{"role": "user", "content": "Go"}], "reasoning_effort": "low"}""");
        server.Engine.Tokenizer!.Decode([.. tokens.GetProperty("tokens").EnumerateArray().Select(e => e.GetInt32())])
            .ShouldBe("Go loud low");

        // Here "don't think" is no default that could be taken for granted.
        (int status, JsonElement error) = await server
            .FailAsync("/v1/chat/completions", $$"""{{{Turn}}, "enable_thinking": false}""");
        status.ShouldBe(400);
        error.GetProperty("param").GetString().ShouldBe("enable_thinking");
        error.GetProperty("message").GetString()!.ShouldContain("chat_template_kwargs");
        (await server.FailAsync("/v1/chat/completions", $$"""{{{Turn}}, "thinking_budget": 0}""")).Error
            .GetProperty("param").GetString().ShouldBe("thinking_budget");

        async Task<string> PromptAsync(string more)
        {
            JsonElement answer = await server.ChatAsync($$"""{{{Turn}}, "return_token_ids": true{{more}}}""");
            return server.Engine.Tokenizer!.Decode(
                [.. answer.GetProperty("prompt_token_ids").EnumerateArray().Select(e => e.GetInt32())]);
        }
    }

    [Theory]
    [InlineData("{\"messages\": []}", "chat_template_kwargs.messages")]
    [InlineData("3", "chat_template_kwargs")]
    public async Task TemplateArgument_Wrong_IsRefusedByName(string value, string field) =>
        await FailAsync("/v1/chat/completions", $$"""{{{Turn}}, "chat_template_kwargs": {{value}}}""", field);

    [Fact]
    public async Task Parts_Several_ArePromptedAsThroughTheChatClient()
    {
        JsonElement http = await _server.ChatAsync(
            """{"messages": [{"role": "user", "content": [{"type": "text", "text": "Once"}, {"type": "text", "text": "upon a"}]}], "max_tokens": 1}""");
        var message = new Microsoft.Extensions.AI.ChatMessage(
            Microsoft.Extensions.AI.ChatRole.User,
            [new Microsoft.Extensions.AI.TextContent("Once"), new Microsoft.Extensions.AI.TextContent("upon a")]);
        var client = new OctavoChatClient(fixture.Engine);
        Microsoft.Extensions.AI.ChatResponse answer = await client
            .GetResponseAsync([message], new Microsoft.Extensions.AI.ChatOptions { MaxOutputTokens = 1 });
        int[] expected = fixture.Engine.Tokenizer!.Encode("Once\nupon a");
        ((RequestOutput)answer.RawRepresentation!).PromptTokenIds.ShouldBe(expected);
        http.GetProperty("usage").GetProperty("prompt_tokens").GetInt32().ShouldBe(expected.Length);
        JsonElement tokens = await _server.CallAsync(
            "/tokenize",
            """{"messages": [{"role": "user", "content": [{"type": "text", "text": "Once"}, {"type": "text", "text": "upon a"}]}]}""");
        tokens.GetProperty("tokens").EnumerateArray().Select(e => e.GetInt32()).ShouldBe(expected);
    }

    private static async Task<TestServer> ServeAsync(string template)
    {
        using TalesVariant model = new TalesVariant().WithText("chat_template.jinja", template);
        return await TestServer.ServeAsync(AsyncEngine.Load(model.Path));
    }

    private async Task FailAsync(string path, string body, string param)
    {
        (int status, JsonElement error) = await _server.FailAsync(path, body);
        status.ShouldBe(400, error.ToString());
        error.GetProperty("param").GetString().ShouldBe(param);
    }
}

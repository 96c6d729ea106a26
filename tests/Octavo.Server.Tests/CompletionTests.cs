using System.Text.Json;

namespace Octavo.Server.Tests;

public sealed class CompletionTests(ServerFixture fixture)
{
    private readonly TestServer _server = fixture.Client;

    [Fact]
    public async Task Completion_Greedy_SaysWhatTheReferenceSays()
    {
        for (int i = 0; i < Expected.Count; i++)
        {
            int[] greedy = Expected.Greedy(i);
            JsonElement answer = await _server.CompleteAsync(
                $$"""{"model": "tales", "prompt": {{Json(Expected.Prompt(i))}}, "temperature": 0, "max_tokens": {{greedy.Length}}, "ignore_eos": true}""");
            answer.GetProperty("object").GetString().ShouldBe("text_completion");
            answer.GetProperty("id").GetString()!.ShouldStartWith("cmpl-");
            answer.GetProperty("system_fingerprint").GetString()!.ShouldStartWith("fp_");
            JsonElement choice = answer.GetProperty("choices")[0];
            choice.GetProperty("text").GetString().ShouldBe(fixture.Engine.Tokenizer!.Decode(greedy));
            choice.GetProperty("finish_reason").GetString().ShouldBe("length");
            choice.GetProperty("logprobs").ValueKind.ShouldBe(JsonValueKind.Null);
            JsonElement usage = answer.GetProperty("usage");
            usage.GetProperty("prompt_tokens").GetInt32().ShouldBe(Expected.PromptIds(i).Length);
            usage.GetProperty("completion_tokens").GetInt32().ShouldBe(greedy.Length);
            usage.GetProperty("total_tokens").GetInt32().ShouldBe(Expected.PromptIds(i).Length + greedy.Length);
        }
    }

    [Fact]
    public async Task Prompt_OfAllFourForms_SaysTheSame()
    {
        string text = Json(Expected.Prompt(0)), other = Json(Expected.Prompt(1));
        string ids = Json(Expected.PromptIds(0)), otherIds = Json(Expected.PromptIds(1));
        string[] one = await TextsAsync(text);
        string[] two = await TextsAsync($"[{text}, {other}]");
        one.Length.ShouldBe(1);
        two.Length.ShouldBe(2);
        two[0].ShouldBe(one[0]);
        (await TextsAsync(ids)).ShouldBe(one);
        (await TextsAsync($"[{ids}, {otherIds}]")).ShouldBe(two);

        async Task<string[]> TextsAsync(string prompt) =>
            Texts(await _server.CompleteAsync($$"""{"prompt": {{prompt}}, "temperature": 0, "max_tokens": 8}"""));
    }

    [Fact]
    public async Task Choices_OfSeveralPromptsAndN_AreIndexedPromptMajor()
    {
        JsonElement answer = await _server.CompleteAsync(
            """{"prompt": ["Once upon a time", "The fox"], "n": 2, "seed": 5, "temperature": 1, "max_tokens": 12, "echo": true, "ignore_eos": true}""");
        JsonElement[] choices = [.. answer.GetProperty("choices").EnumerateArray()];
        choices.Select(c => c.GetProperty("index").GetInt32()).ShouldBe([0, 1, 2, 3]);
        string[] texts = Texts(answer);
        texts[0].ShouldStartWith("Once upon a time");
        texts[1].ShouldStartWith("Once upon a time");
        texts[2].ShouldStartWith("The fox");
        texts[3].ShouldStartWith("The fox");
        texts[0].ShouldNotBe(texts[1]);
        answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32().ShouldBe(48);
    }

    [Fact]
    public async Task Seed_Repeated_RepeatsTheAnswer()
    {
        const string Body = """{"prompt": "Once", "seed": 11, "temperature": 1.2, "top_k": 50, "max_tokens": 20}""";
        Texts(await _server.CompleteAsync(Body)).ShouldBe(Texts(await _server.CompleteAsync(Body)));
    }

    [Fact]
    public async Task MaxTokens_Absent_Is16()
    {
        JsonElement answer = await _server.CompleteAsync(
            """{"prompt": "Once upon a time", "temperature": 0, "ignore_eos": true}""");
        answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32().ShouldBe(16);
    }

    [Fact]
    public async Task MaxTokens_AboveTheModelsOwnDefault_Wins()
    {
        JsonElement answer = await _server.CompleteAsync(
            """{"prompt": "Once", "max_tokens": 300, "ignore_eos": true}""");
        answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32().ShouldBe(300);
    }

    [Fact]
    public async Task Logprobs_Asked_AgreeWithTheReferenceAndTheirOffsetsWithTheText()
    {
        int[] greedy = Expected.Greedy(0)[..12];
        double[] expected = Expected.GreedyLogprobs(0)[..12];
        JsonElement answer =
            await _server.CompleteAsync(
                """{"prompt": "Once upon a time", "temperature": 0, "max_tokens": 12, "logprobs": 3, "ignore_eos": true}""");
        JsonElement choice = answer.GetProperty("choices")[0];
        JsonElement logprobs = choice.GetProperty("logprobs");
        string[] tokens = [.. logprobs.GetProperty("tokens").EnumerateArray().Select(t => t.GetString()!)];
        tokens.ShouldBe(greedy.Select(t => fixture.Engine.Tokenizer!.Decode([t], false)));
        double[] values = [.. logprobs.GetProperty("token_logprobs").EnumerateArray().Select(t => t.GetDouble())];
        for (int i = 0; i < values.Length; i++)
        {
            values[i].ShouldBe(expected[i], 2e-3);
            JsonElement top = logprobs.GetProperty("top_logprobs")[i];
            top.EnumerateObject().Count().ShouldBe(3);
            top.GetProperty(tokens[i]).GetDouble().ShouldBe(values[i]);
        }

        CheckOffsets(choice.GetProperty("text").GetString()!, tokens, logprobs);
    }

    [Fact]
    public async Task Echo_WithLogprobs_HoldsThePromptsToo()
    {
        JsonElement answer = await _server.CompleteAsync(
            """{"prompt": "Once upon a time", "temperature": 0, "max_tokens": 4, "logprobs": 1, "echo": true}""");
        JsonElement choice = answer.GetProperty("choices")[0];
        choice.GetProperty("text").GetString()!.ShouldStartWith("Once upon a time");
        JsonElement logprobs = choice.GetProperty("logprobs");
        JsonElement[] values = [.. logprobs.GetProperty("token_logprobs").EnumerateArray()];
        int promptLength = Expected.PromptIds(0).Length;
        values.Length.ShouldBe(promptLength + 4);
        values[0].ValueKind.ShouldBe(JsonValueKind.Null);
        values.Skip(1).ShouldAllBe(v => v.GetDouble() <= 0);
        values[promptLength].GetDouble().ShouldBe(Expected.GreedyLogprobs(0)[0], 2e-3);
        string[] tokens = [.. logprobs.GetProperty("tokens").EnumerateArray().Select(t => t.GetString()!)];

        // The first token begins the text and is not written in it.
        tokens[0].ShouldBe("<|endoftext|>");
        logprobs.GetProperty("text_offset")[1].GetInt32().ShouldBe(0);
        CheckOffsets(choice.GetProperty("text").GetString()!, ["", .. tokens[1..]], logprobs);
    }

    [Theory]
    [InlineData("")]
    [InlineData(", \"logprobs\": 0")]
    public async Task Echo_WithoutTokens_IsThePrompt(string more)
    {
        JsonElement answer = await _server.CompleteAsync(
            $$"""{"prompt": [{{Json(Expected.PromptIds(0))}}, [500, 501]], "max_tokens": 0, "echo": true{{more}}}""");
        Texts(answer).ShouldBe(["<|endoftext|>Once upon a time", fixture.Engine.Tokenizer!.Decode([500, 501])]);
        answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32().ShouldBe(0);
        JsonElement logprobs = answer.GetProperty("choices")[0].GetProperty("logprobs");
        (logprobs.ValueKind == JsonValueKind.Null).ShouldBe(more.Length == 0);
        if (more.Length > 0)
        {
            logprobs.GetProperty("tokens").GetArrayLength().ShouldBe(Expected.PromptIds(0).Length);
        }
    }

    [Fact]
    public async Task ReturnTokenIds_Set_GivesBothSides()
    {
        JsonElement choice = (await _server.CompleteAsync(
            """{"prompt": "Once upon a time", "temperature": 0, "max_tokens": 3, "return_token_ids": true, "return_tokens_as_token_ids": true, "logprobs": 0}"""))
            .GetProperty("choices")[0];
        Ints(choice.GetProperty("prompt_token_ids")).ShouldBe(Expected.PromptIds(0));
        Ints(choice.GetProperty("token_ids")).ShouldBe(Expected.Greedy(0)[..3]);
        choice.GetProperty("logprobs").GetProperty("tokens")[0].GetString()
            .ShouldBe($"token_id:{Expected.Greedy(0)[0]}");
    }

    [Fact]
    public async Task PromptLogprobs_Set_GiveAMapAPosition()
    {
        JsonElement choice =
            (await _server.CompleteAsync("""{"prompt": "Once upon a time", "max_tokens": 1, "prompt_logprobs": 2}"""))
                .GetProperty("choices")[0];
        JsonElement positions = choice.GetProperty("prompt_logprobs");
        int[] ids = Expected.PromptIds(0);
        positions.GetArrayLength().ShouldBe(ids.Length);
        positions[0].ValueKind.ShouldBe(JsonValueKind.Null);
        JsonElement entry = positions[1].GetProperty($"{ids[1]}");
        entry.GetProperty("decoded_token").GetString().ShouldBe(fixture.Engine.Tokenizer!.Decode([ids[1]], false));
        entry.GetProperty("rank").GetInt32().ShouldBeGreaterThan(0);
        choice.GetProperty("logprobs").ValueKind.ShouldBe(JsonValueKind.Null);
    }

    [Fact]
    public async Task Stop_ByText_EndsBeforeItAndNamesIt()
    {
        string whole = Texts(
            await _server.CompleteAsync("""{"prompt": "Once upon a time", "temperature": 0, "max_tokens": 30}"""))[0];
        string stop = whole[11..16];
        foreach (string form in new[] { Json(stop), $"[\"never said\", {Json(stop)}]" })
        {
            JsonElement choice = (await _server.CompleteAsync(
                $$"""{"prompt": "Once upon a time", "temperature": 0, "max_tokens": 30, "stop": {{form}}}""")).GetProperty(
                    "choices")[0];
            choice.GetProperty("text").GetString().ShouldBe(whole[..whole.IndexOf(stop, StringComparison.Ordinal)]);
            choice.GetProperty("finish_reason").GetString().ShouldBe("stop");
            choice.GetProperty("stop_reason").GetString().ShouldBe(stop);
        }
    }

    [Fact]
    public async Task Stop_ByTokenId_NamesIt()
    {
        int stop = Expected.Greedy(0)[5];
        JsonElement choice = (await _server.CompleteAsync(
            $$"""{"prompt": "Once upon a time", "temperature": 0, "max_tokens": 30, "stop_token_ids": [{{stop}}], "return_token_ids": true}""")).GetProperty(
                "choices")[0];
        choice.GetProperty("stop_reason").GetInt32().ShouldBe(stop);
        Ints(choice.GetProperty("token_ids"))[^1].ShouldBe(stop);
    }

    [Fact]
    public async Task SamplingFields_OfVllm_ReachTheSampler()
    {
        // Only one token is allowed, so it is what comes.
        JsonElement allowed = await _server.CompleteAsync(
            """{"prompt": "Once", "max_tokens": 3, "allowed_token_ids": [700], "return_token_ids": true}""");
        Ints(allowed.GetProperty("choices")[0].GetProperty("token_ids")).ShouldBe([700, 700, 700]);
        JsonElement biased =
            await _server.CompleteAsync(
                """{"prompt": "Once", "temperature": 0, "max_tokens": 2, "logit_bias": {"701": 100}, "return_token_ids": true}""");
        Ints(biased.GetProperty("choices")[0].GetProperty("token_ids")).ShouldBe([701, 701]);
        JsonElement cut =
            await _server.CompleteAsync(
                """{"prompt": [600, 601, 602, 603], "max_tokens": 1, "truncate_prompt_tokens": 2, "return_token_ids": true}""");
        Ints(cut.GetProperty("choices")[0].GetProperty("prompt_token_ids")).ShouldBe([602, 603]);
        JsonElement repeating =
            await _server.CompleteAsync(
                """{"prompt": "Once", "max_tokens": 50, "allowed_token_ids": [700], "repetition_detection": {"max_pattern_size": 2, "min_count": 4}}""");
        repeating.GetProperty("choices")[0].GetProperty("finish_reason").GetString().ShouldBe("stop");
        repeating.GetProperty("usage").GetProperty("completion_tokens").GetInt32().ShouldBe(4);
    }

    [Fact]
    public async Task BeamSearch_Wide_FindsDistinctBeamsNoWorseThanGreedy()
    {
        JsonElement answer = await _server.CompleteAsync(
            """{"prompt": "Once upon a time", "use_beam_search": true, "n": 3, "max_tokens": 6}""");
        string[] texts = Texts(answer);
        texts.Length.ShouldBe(3);
        texts.Distinct().Count().ShouldBe(3);
        answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32().ShouldBe(18);
    }

    /// <summary>What clients send by default says nothing, and does not stand in the way of beams.</summary>
    [Theory]
    [InlineData("\"stop\": [], \"stop_token_ids\": [], \"min_tokens\": 0, \"logit_bias\": {}, \"bad_words\": [], "
        + "\"presence_penalty\": 0, \"frequency_penalty\": 0.0, \"repetition_penalty\": 1, \"logprob_token_ids\": [], "
        + "\"vllm_xargs\": {}, \"skip_special_tokens\": true, \"include_stop_str_in_output\": false", null)]
    [InlineData("\"logprobs\": 0", "logprobs")]
    [InlineData("\"presence_penalty\": 0.5", "presence_penalty")]
    [InlineData("\"bad_words\": [\"a\"]", "bad_words")]
    [InlineData("\"logprob_token_ids\": [5]", "logprob_token_ids")]
    [InlineData("\"skip_special_tokens\": false", "skip_special_tokens")]
    [InlineData("\"include_stop_str_in_output\": true", "include_stop_str_in_output")]
    public async Task BeamSearch_WithFieldsThatItTakesNoNoticeOf_RefusesThoseThatSaySomething(
        string members, string? refused)
    {
        string body = $$"""{"prompt": "Once", "use_beam_search": true, "n": 2, "max_tokens": 2, {{members}}}""";
        if (refused is null)
        {
            Texts(await _server.CompleteAsync(body)).Length.ShouldBe(2);
            return;
        }

        (int status, JsonElement error) = await _server.FailAsync("/v1/completions", body);
        status.ShouldBe(400);
        error.GetProperty("param").GetString().ShouldBe(refused);
    }

    [Fact]
    public async Task LogprobTokenIds_None_IsAsAbsent()
    {
        const string Body = """{"prompt": "Once", "max_tokens": 1, "temperature": 0, "logprob_token_ids": []""";
        (await _server.CompleteAsync(Body + "}")).GetProperty("choices")[0].GetProperty("logprobs").ValueKind
            .ShouldBe(JsonValueKind.Null);
        JsonElement two = (await _server.CompleteAsync(Body + ", \"logprobs\": 2}")).GetProperty("choices")[0]
            .GetProperty("logprobs");
        two.GetProperty("top_logprobs")[0].EnumerateObject().Count().ShouldBe(2);
    }

    /// <summary>
    /// The echo is the prompt as it was given; the tokens that truncation left stand where they stand in it.
    /// </summary>
    [Theory]
    [InlineData("\"The fox ran home\"", "left")]
    [InlineData("\"The fox ran home\"", "right")]
    [InlineData("[500, 501, 502, 503, 504]", "left")]
    public async Task Echo_TruncatedPrompt_HasOffsetsIntoItsText(string prompt, string side)
    {
        JsonElement choice = (await _server.CompleteAsync(
            $$"""{"prompt": {{prompt}}, "temperature": 0, "max_tokens": 3, "logprobs": 0, "echo": true, "min_tokens": 3, "truncate_prompt_tokens": 2, "truncation_side": "{{side}}"}""")).GetProperty(
                "choices")[0];
        JsonElement logprobs = choice.GetProperty("logprobs");
        string[] tokens = [.. logprobs.GetProperty("tokens").EnumerateArray().Select(t => t.GetString()!)];
        tokens.Length.ShouldBe(5);
        int added = side == "right" ? 1 : 0;                        // the tokenizer's own, of no width
        int[] offsets = Ints(logprobs.GetProperty("text_offset"));
        for (int i = added; i < tokens.Length; i++)
        {
            choice.GetProperty("text").GetString()!.Substring(offsets[i], tokens[i].Length).ShouldBe(tokens[i]);
        }
    }

    [Fact]
    public async Task PrefixCache_Hit_ShowsInUsage()
    {
        string prompt = Json(Enumerable.Range(300, 64));
        string body = $$"""{"prompt": {{prompt}}, "max_tokens": 1, "cache_salt": "only here"}""";
        Cached(await _server.CompleteAsync(body)).ShouldBe(0);
        Cached(await _server.CompleteAsync(body)).ShouldBe(48);

        static int Cached(JsonElement answer) =>
            answer.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32();
    }

    [Fact]
    public async Task RequestId_Given_NamesTheAnswer()
    {
        JsonElement answer =
            await _server.CompleteAsync(
                """{"prompt": "Once", "max_tokens": 1, "request_id": "mine", "priority": 3, "user": "u", "metadata": {"a": "b"}, "unknown_field": 1}""");
        answer.GetProperty("id").GetString().ShouldBe("cmpl-mine");
    }

    /// <summary>
    /// Special tokens that the caller named or typed stand in the echo; those that the tokenizer added do not.
    /// </summary>
    [Theory]
    [InlineData("[0, 400, 2, 500, 600]", null)]
    [InlineData("\"One<|im_end|> day\"", "One<|im_end|> day")]
    [InlineData("\"<|endoftext|>One day\"", "<|endoftext|>One day")]
    public async Task Echo_PromptWithSpecialTokens_KeepsThemWhereTheyStand(string prompt, string? text)
    {
        text ??= _server.Engine.Tokenizer!.Decode([0, 400, 2, 500, 600], skipSpecialTokens: false);
        JsonElement answer = await _server.CompleteAsync(
            $$"""{"prompt": {{prompt}}, "temperature": 0, "max_tokens": 3, "logprobs": 0, "echo": true, "min_tokens": 3}""");
        JsonElement choice = answer.GetProperty("choices")[0];
        string echoed = choice.GetProperty("text").GetString()!;
        echoed.ShouldStartWith(text);
        JsonElement logprobs = choice.GetProperty("logprobs");
        string[] tokens = [.. logprobs.GetProperty("tokens").EnumerateArray().Select(t => t.GetString()!)];
        int[] offsets = Ints(logprobs.GetProperty("text_offset"));
        int added = tokens.Length - offsets.Distinct().Count();      // the tokenizer's own, of no width
        added.ShouldBe(prompt[0] == '[' ? 0 : 1);
        for (int i = added; i < tokens.Length; i++)
        {
            echoed.Substring(offsets[i], tokens[i].Length).ShouldBe(tokens[i]);
        }
    }

    // Where a token has whole characters, its offset is where the text holds it.
    private static void CheckOffsets(string text, string[] tokens, JsonElement logprobs)
    {
        int[] offsets = Ints(logprobs.GetProperty("text_offset"));
        offsets.Length.ShouldBe(tokens.Length);
        for (int i = 0; i < tokens.Length; i++)
        {
            text.Substring(offsets[i], tokens[i].Length).ShouldBe(tokens[i]);
        }
    }

    private static string Json<T>(T value) => JsonSerializer.Serialize(value);

    private static int[] Ints(JsonElement list) => [.. list.EnumerateArray().Select(e => e.GetInt32())];

    private static string[] Texts(JsonElement answer) =>
        [.. answer.GetProperty("choices").EnumerateArray().Select(c => c.GetProperty("text").GetString()!)];
}

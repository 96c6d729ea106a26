namespace Octavo.Engine.Tests;

public sealed class LlmEngineTests
{
    private static readonly int[] Prompt = [1, 2, 3, 4, 5, 6, 7, 8, 9];

    private static SamplingParams Greedy(int maxTokens = 8) =>
        new() { Temperature = 0, IgnoreEos = true, MaxTokens = maxTokens };

    [Fact]
    public void Step_Greedy_FollowsTheModel()
    {
        using var harness = new EngineHarness();
        harness.Add("a", Prompt, Greedy());
        harness.RunToEnd();
        CompletionOutput output = harness.Final("a").Outputs[0];
        output.TokenIds.ShouldBe(EngineHarness.Expected(Prompt, 8));
        output.FinishReason.ShouldBe(FinishReason.Length);
        output.StopReason.ShouldBeNull();
        harness.Runner.Runs.ShouldBe(8);
    }

    [Fact]
    public void Step_EosDrawn_EndsWithIt()
    {
        int[] prompt = PromptThatReaches(EngineHarness.EosToken, out int steps);
        using var harness = new EngineHarness();
        harness.Add("a", prompt, new SamplingParams { Temperature = 0, MaxTokens = 40 });
        harness.Add("b", prompt, Greedy(40));
        harness.RunToEnd();
        CompletionOutput output = harness.Final("a").Outputs[0];
        output.FinishReason.ShouldBe(FinishReason.Stop);
        output.StopReason.ShouldBeNull();
        output.TokenIds.Count.ShouldBe(steps);
        output.TokenIds[^1].ShouldBe(EngineHarness.EosToken);
        harness.Final("b").Outputs[0].TokenIds.Count.ShouldBe(40);
    }

    [Fact]
    public void Step_StopToken_EndsAndIsNamed()
    {
        int stop = EngineHarness.Expected(Prompt, 8)[4];
        int first = Array.IndexOf(EngineHarness.Expected(Prompt, 8), stop) + 1;
        using var harness = new EngineHarness();
        harness.Add("a", Prompt, Greedy() with { StopTokenIds = [stop] });
        harness.RunToEnd();
        CompletionOutput output = harness.Final("a").Outputs[0];
        output.FinishReason.ShouldBe(FinishReason.Stop);
        output.StopReason!.Value.TokenId.ShouldBe(stop);
        output.TokenIds.Count.ShouldBe(first);
    }

    [Fact]
    public void Step_MinTokens_ForbidsEndTokensUntilThen()
    {
        int stop = EngineHarness.Expected(Prompt, 1)[0];
        using var harness = new EngineHarness();
        harness.Add("a", Prompt, Greedy() with { StopTokenIds = [stop], MinTokens = 3 });
        harness.RunToEnd();
        harness.Final("a").Outputs[0].TokenIds.Take(3).ShouldNotContain(stop);
    }

    [Fact]
    public void Step_ModelLength_EndsTheRequest()
    {
        using var harness = new EngineHarness(maxModelLen: 16);
        harness.Add("a", Prompt, Greedy() with { MaxTokens = null });
        harness.RunToEnd();
        harness.Final("a").Outputs[0].TokenIds.Count.ShouldBe(16 - Prompt.Length);
        harness.Final("a").Outputs[0].FinishReason.ShouldBe(FinishReason.Length);
    }

    [Fact]
    public void Step_RepeatedPattern_EndsWhenAsked()
    {
        using var harness = new EngineHarness();
        int[] trace = [9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2];
        harness.Add(
            "a",
            Prompt,
            Greedy(12) with { TraceDecodeTokenIds = trace, RepetitionDetection = new RepetitionDetection(4, 2, 3) });
        harness.RunToEnd();
        CompletionOutput output = harness.Final("a").Outputs[0];
        output.TokenIds.ShouldBe(trace.Take(10));
        output.FinishReason.ShouldBe(FinishReason.Repetition);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Step_SeveralCompletions_ShareThePromptsBlocks(bool prefixCaching)
    {
        using var harness = new EngineHarness(blockSize: 4, prefixCaching: prefixCaching);
        int mostHeld = 0;
        harness.Runner.Observe = b =>
            mostHeld = Math.Max(
                mostHeld,
                Enumerable.Range(0, b.NumSequences).SelectMany(s => b.BlockTable(s, 0).ToArray()).Distinct().Count());
        harness.Add("a", [.. Enumerable.Range(0, 41)], Greedy(2) with { N = 4 });
        harness.RunToEnd();
        RequestOutput final = harness.Final("a");
        final.Outputs.Count.ShouldBe(4);
        final.Outputs.ShouldAllBe(
            o => o.TokenIds.SequenceEqual(EngineHarness.Expected(Enumerable.Range(0, 41).ToArray(), 2)));
        mostHeld.ShouldBe(10 + 4, "ten full prompt blocks once, and a tail each");
    }

    [Fact]
    public void Step_SeveralCompletions_DrawIndependently()
    {
        using var harness = new EngineHarness();
        harness.Add(
            "a", Prompt, new SamplingParams { N = 3, Temperature = 5, MaxTokens = 12, Seed = 1, IgnoreEos = true });
        harness.RunToEnd();
        RequestOutput final = harness.Final("a");
        final.Outputs.Select(o => string.Join(',', o.TokenIds)).Distinct().Count().ShouldBe(3);
        final.Outputs.Select(o => o.Index).ShouldBe([0, 1, 2]);
    }

    [Fact]
    public void Step_SameSeed_SameTokensAmongOthers()
    {
        SamplingParams sampling = new() { Temperature = 5, MaxTokens = 12, Seed = 42, IgnoreEos = true };
        using var alone = new EngineHarness();
        alone.Add("a", Prompt, sampling);
        alone.RunToEnd();
        using var together = new EngineHarness();
        for (int i = 0; i < 5; i++)
        {
            together.Add($"other{i}", [i, i + 1], sampling with { Seed = i });
        }

        together.Add("a", Prompt, sampling);
        together.RunToEnd();
        together.Final("a").Outputs[0].TokenIds.ShouldBe(alone.Final("a").Outputs[0].TokenIds);
    }

    [Fact]
    public void Add_SamePromptLater_HitsThePrefixCache()
    {
        using var harness = new EngineHarness(blockSize: 4);
        harness.Add("a", Prompt, Greedy());
        harness.RunToEnd();
        harness.Add("b", Prompt, Greedy());
        harness.Add("salted", Prompt, Greedy(), salt: "other tenant");
        harness.Add("unread", Prompt, Greedy() with { SkipReadingPrefixCache = true });
        harness.RunToEnd();
        harness.Final("a").NumCachedTokens.ShouldBe(0);
        harness.Final("b").NumCachedTokens.ShouldBe(8, "two full blocks of four");
        harness.Final("salted").NumCachedTokens.ShouldBe(0);
        harness.Final("unread").NumCachedTokens.ShouldBe(0);
        harness.Metric("octavo.prefix_cache.hits").ShouldBe(8);
    }

    [Fact]
    public void Add_PromptOfFullBlocks_ComputesItsLastBlockAgain()
    {
        using var harness = new EngineHarness(blockSize: 4);
        int[] prompt = [.. Prompt.Take(8)];
        harness.Add("a", prompt, Greedy());
        harness.RunToEnd();
        harness.Add("b", prompt, Greedy());
        harness.RunToEnd();
        harness.Final("b").NumCachedTokens.ShouldBe(4);
        harness.Final("b").Outputs[0].TokenIds.ShouldBe(EngineHarness.Expected(prompt, 8));
    }

    [Fact]
    public void Step_DecodesBehindALongPrompt_GetATokenEachStep()
    {
        using var harness = new EngineHarness(numBlocks: 200, maxModelLen: 256, maxSeqs: 4, maxTokens: 16);
        SamplingParams deltas = Greedy(60) with { OutputKind = OutputKind.Delta };
        harness.Add("a", [1], deltas, priority: 1);
        harness.Add("b", [2], deltas, priority: 1);
        harness.Engine.Step();
        harness.Add("long", [.. Enumerable.Range(0, 120).Select(i => i % 50)], deltas, priority: 0);
        harness.Engine.Step();
        for (int i = 0; i < 5; i++)
        {
            (int a, int b) = (harness.Outputs["a"].Count, harness.Outputs["b"].Count);
            harness.Engine.Step();
            (harness.Outputs["a"].Count, harness.Outputs["b"].Count).ShouldBe((a + 1, b + 1));
            harness.Outputs["long"].ShouldBeEmpty();
        }
    }

    [Fact]
    public void Step_Priorities_LowerGoesFirstAndIsKept()
    {
        using var harness = new EngineHarness(maxSeqs: 1, maxTokens: 16);
        var order = new List<string>();
        foreach ((string id, int priority) in new[] { ("low", 5), ("high", -5), ("middle", 0) })
        {
            harness.Engine.Add(
                new EngineRequest
                {
                    Id =
                    id,
                    PromptTokenIds = Prompt,
                    Options = new() { Priority = priority },
                    Parameters = Greedy(2)
                },
                o => { if (o.Finished) { order.Add(o.RequestId); } });
        }

        harness.RunToEnd();
        order.ShouldBe(["high", "middle", "low"]);
    }

    [Fact]
    public void Step_PoolTooSmall_PreemptsTheLastAndStillEndsAll()
    {
        using var harness = new EngineHarness(numBlocks: 10, blockSize: 4, maxModelLen: 40);
        for (int i = 0; i < 4; i++)
        {
            harness.Add($"r{i}", [.. Prompt, i], Greedy(25));
        }

        harness.RunToEnd();
        harness.Preemptions.ShouldBeGreaterThan(0);
        for (int i = 0; i < 4; i++)
        {
            harness.Final($"r{i}").Outputs[0].TokenIds.ShouldBe(EngineHarness.Expected([.. Prompt, i], 25));
        }
    }

    [Fact]
    public void Abort_Running_FreesItsBlocksAndTellsItsSink()
    {
        using var harness = new EngineHarness();
        harness.Add("a", Prompt, Greedy(50));
        harness.Add("b", [3, 2, 1], Greedy(3));
        harness.Engine.Step();
        harness.Engine.Abort("a");
        harness.Engine.Abort("nobody");
        harness.Engine.CheckIntegrity();
        harness.Final("a").Outputs[0].FinishReason.ShouldBe(FinishReason.Abort);
        harness.RunToEnd();
        harness.Final("b").Outputs[0].TokenIds.ShouldBe(EngineHarness.Expected([3, 2, 1], 3));
        harness.Metric("octavo.kv_cache.usage").ShouldBe(0);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(3)]
    public void Step_Deltas_AddUpToTheWhole(int? interval)
    {
        using var harness = new EngineHarness();
        harness.Add("a", Prompt, Greedy(10) with { OutputKind = OutputKind.Delta, StreamInterval = interval });
        harness.RunToEnd();
        harness.Outputs["a"].SelectMany(o => o.Outputs[0].TokenIds).ShouldBe(EngineHarness.Expected(Prompt, 10));
        harness.Outputs["a"].Count.ShouldBe(interval is null ? 10 : 4, "after tokens 1, 4, 7 and 10");
    }

    [Fact]
    public void Step_FinalOnly_SpeaksOnce()
    {
        using var harness = new EngineHarness();
        harness.Add("a", Prompt, Greedy(10) with { OutputKind = OutputKind.FinalOnly, N = 2 });
        harness.RunToEnd();
        harness.Outputs["a"].ShouldHaveSingleItem().Outputs.Count.ShouldBe(2);
    }

    [Fact]
    public void Step_TraceDecode_FollowsItWithTheModelsLogprobs()
    {
        using var harness = new EngineHarness();
        int likely = FakeRunner.Next(Prompt, 64);
        int[] trace = [(likely + 2) % 64, 5, 6];
        harness.Add("a", Prompt, Greedy(5) with { TraceDecodeTokenIds = trace, Logprobs = 1 });
        harness.RunToEnd();
        CompletionOutput output = harness.Final("a").Outputs[0];
        output.TokenIds.Take(3).ShouldBe(trace);
        output.TokenIds.Count.ShouldBe(5);
        output.Logprobs![0].Token.Rank.ShouldBe(3);
        output.Logprobs[0].Top[0].TokenId.ShouldBe(likely);
        (output.Logprobs[0].Top[0].Logprob - output.Logprobs[0].Token.Logprob).ShouldBe(1f, 1e-5f);
    }

    [Fact]
    public void Step_Logprobs_AreNormalizedAndNamedOnesComeInsteadOfTheLikeliest()
    {
        using var harness = new EngineHarness(configure: o => o with { Sampling = new() { MaxLogprobs = -1 } });
        harness.Add("a", Prompt, Greedy(1) with { Logprobs = -1 });
        harness.Add("named", Prompt, Greedy(1) with { Logprobs = 5, LogprobTokenIds = [7, 3, 7] });
        harness.Add("flat", Prompt, Greedy(2) with { Logprobs = 2, FlatLogprobs = true });
        harness.RunToEnd();
        CompletionOutput output = harness.Final("a").Outputs[0];
        PositionLogprobs position = output.Logprobs!.ShouldHaveSingleItem();
        position.Top.Count.ShouldBe(64);
        position.Top.Sum(t => Math.Exp(t.Logprob)).ShouldBe(1, 1e-5);
        PositionLogprobs named = harness.Final("named").Outputs[0].Logprobs!.ShouldHaveSingleItem();
        named.Token.ShouldBe(position.Token);
        named.Top.Select(t => t.TokenId).ShouldBe([7, 3]);
        named.Top.ShouldAllBe(t => t.Logprob == position.Top.Single(p => p.TokenId == t.TokenId).Logprob);
        output.CumulativeLogprob!.Value.ShouldBe(position.Token.Logprob, 1e-9);
        FlatLogprobs flat = harness.Final("flat").Outputs[0].FlatLogprobs!;
        harness.Final("flat").Outputs[0].Logprobs.ShouldBeNull();
        flat.StartIndices.ShouldBe([0, 3]);
        flat.EndIndices.ShouldBe([3, 6]);
        flat.Ranks.ShouldBe([1, 1, 2, 1, 1, 2]);
    }

    [Theory]
    [InlineData(64)]
    [InlineData(5)]
    public void Step_PromptLogprobs_ScoreEveryTokenPastTheCache(int maxTokens)
    {
        using var harness = new EngineHarness(maxSeqs: 4, maxTokens: maxTokens);
        harness.Add("warm", Prompt, Greedy(1));
        harness.RunToEnd();
        harness.Add("a", Prompt, Greedy(2) with { PromptLogprobs = 1, PromptLogprobTokenIds = [[3, 4]], N = 2 });
        harness.RunToEnd();
        RequestOutput final = harness.Final("a");
        final.PromptLogprobs!.Count.ShouldBe(Prompt.Length);
        final.PromptLogprobs[0].ShouldBeNull();
        final.PromptTokenIdLogprobs!.Count.ShouldBe(Prompt.Length - 1);
        for (int i = 1; i < Prompt.Length; i++)
        {
            int likely = FakeRunner.Next(Prompt.AsSpan(0, i), 64);
            final.PromptLogprobs[i]!.Token.TokenId.ShouldBe(Prompt[i]);
            final.PromptLogprobs[i]!.Top[0].TokenId.ShouldBe(likely);
            final.PromptLogprobs[i]!.Token.Rank.ShouldBe(((Prompt[i] - likely + 64) % 64) + 1);
            float[] row = final.PromptTokenIdLogprobs[i - 1];
            (row[0] - row[1]).ShouldBe(0.5f * (((4 - likely + 64) % 64) - ((3 - likely + 64) % 64)), 1e-4f);
        }
    }

    [Fact]
    public void Step_PromptLogprobStart_ScoresOnlyFromThere()
    {
        using var harness = new EngineHarness();
        harness.Add("a", Prompt, Greedy(1) with { PromptLogprobs = 0, PromptLogprobStart = 5 });
        harness.RunToEnd();
        harness.Final("a").PromptLogprobs!.Select(p => p is null)
            .ShouldBe([true, true, true, true, true, true, false, false, false]);
    }

    [Fact]
    public void Step_SiblingsOverTakeTheScoredOne_PromptLogprobsComeWhole()
    {
        // A vocabulary so large that a step scores 16 tokens at most: the second completion speaks long before.
        const int vocabulary = 1 << 20;
        using var engine = new LlmEngine(
            new FakeRunner(
                64,
                4,
                vocabulary), null, new LlmEngineOptions
                {
                    MaxModelLen = 64,
                    Scheduling = new() { Batching = BatchingMode.Fixed, MaxNumSeqs = 4, MaxNumBatchedTokens = 128 }
                });
        int[] prompt = [.. Enumerable.Range(0, 40)];
        List<RequestOutput> outputs = [];
        engine.Add(
            new EngineRequest
            {
                Id = "a",
                PromptTokenIds = prompt,
                Parameters = Greedy(6) with { N = 2, PromptLogprobs = 0, OutputKind = OutputKind.Delta },
            },
            outputs.Add);
        while (engine.HasWork)
        {
            engine.Step();
        }

        outputs[0].PromptLogprobs.ShouldBeNull();
        outputs.Single(o => o.PromptLogprobs is not null).PromptLogprobs!.Count(p => p is not null).ShouldBe(39);
    }

    [Fact]
    public void Step_OneRequestBreaks_TheOthersGoOn()
    {
        using var harness = new EngineHarness(configure: o => o with
        {
            EosTokenIds = [EngineHarness.EosToken, 5000],
            Sampling = new()
            {
                LogitsProcessors = [p => p.ExtraArgs is null
                    ? null
                    : (output, _) => { if (output.Length == 2) { throw new FormatException("hook"); } }],
            },
        });
        harness.Add("beside", Prompt, Greedy());
        harness.Add("hook", Prompt, Greedy() with { ExtraArgs = new Dictionary<string, object?>() });
        harness.Add(
            "nothing",
            Prompt,
            new SamplingParams { AllowedTokenIds = [5], StopTokenIds = [5], MinTokens = 1, TopP = 0.9f, N = 2 });
        harness.Add(
            "greedy nothing",
            Prompt,
            new SamplingParams { AllowedTokenIds = [5], StopTokenIds = [5], MinTokens = 1, Temperature = 0 });
        harness.Add(
            "overflow",
            Prompt,
            new SamplingParams { LogitBias = new Dictionary<int, float> { [1] = 100 }, RepetitionPenalty = 1e-40f });
        harness.Add(
            "pattern", Prompt, Greedy() with { RepetitionDetection = new RepetitionDetection(65536, 65535, 65536) });
        harness.Add("minimum", Prompt, new SamplingParams { MinTokens = 2, MaxTokens = 3 });
        harness.RunToEnd();
        harness.Final("beside").Outputs[0].TokenIds.ShouldBe(EngineHarness.Expected(Prompt, 8));
        harness.Final("hook").Error.ShouldBeOfType<FormatException>();
        harness.Final("hook").Outputs[0].FinishReason.ShouldBe(FinishReason.Error);
        foreach (string id in new[] { "nothing", "greedy nothing", "overflow" })
        {
            harness.Final(id).Error.ShouldBeOfType<InvalidRequestException>(id);
        }

        harness.Final("pattern").Outputs[0].TokenIds.Count.ShouldBe(8);
        harness.Final("minimum").Outputs[0].TokenIds.Count.ShouldBeInRange(2, 3);
        harness.Metric("octavo.kv_cache.usage").ShouldBe(0);
    }

    [Theory]
    [InlineData(0.0, 2)]
    [InlineData(0.1, 1)]
    public void Step_Watermark_KeepsBlocksForThoseWhoRun(double watermark, int admitted)
    {
        // Ten blocks of four: the first request takes five, the second wants the other five.
        using var harness =
            new EngineHarness(
                numBlocks: 10,
                blockSize: 4,
                maxModelLen: 40,
                configure: o => o with { Scheduling = o.Scheduling with { KvCacheWatermark = watermark } });
        harness.Add("a", [.. Enumerable.Range(0, 18)], Greedy(2));
        harness.Engine.Step();
        harness.Add("b", [.. Enumerable.Range(30, 20)], Greedy(1));
        harness.Engine.Step();
        harness.Outputs["b"].Count.ShouldBe(admitted - 1);
        harness.RunToEnd();
        harness.Final("b").Outputs[0].TokenIds.Count.ShouldBe(1);
    }

    [Fact]
    public void Step_PromptThatWouldNotFitWhole_WaitsInsteadOfBeginning()
    {
        // The second prompt's first chunk would fit beside the first, its whole would not.
        using var harness = new EngineHarness(numBlocks: 10, blockSize: 4, maxModelLen: 40, maxSeqs: 4, maxTokens: 8);
        harness.Add("a", [.. Enumerable.Range(0, 6)], Greedy(12));
        harness.Engine.Step();
        harness.Add("b", [.. Enumerable.Range(10, 38)], Greedy(1));
        harness.Engine.Step();
        harness.Engine.QueueLengths.ShouldBe((1, 1));
        harness.RunToEnd();
        harness.Preemptions.ShouldBe(0);
        harness.Final("b").Outputs[0].TokenIds.Count.ShouldBe(1);
    }

    [Fact]
    public void Step_PreemptedRequest_FindsItsOwnPrefixAgain()
    {
        using var harness = new EngineHarness(numBlocks: 12, blockSize: 4, maxModelLen: 40);
        int computed = 0;
        harness.Runner.Observe = b => computed += b.NumTokens;
        harness.Add("a", [.. Enumerable.Range(0, 20)], Greedy(18));
        harness.Add("b", [.. Enumerable.Range(20, 20)], Greedy(18));
        harness.RunToEnd();
        harness.Preemptions.ShouldBeGreaterThan(0);
        computed.ShouldBeLessThan(2 * (20 + 18) + 20, "a whole recompute of the prompt would be 20 tokens more");
    }

    [Fact]
    public void Step_RunnerFails_ExceptionReachesTheCaller()
    {
        using var harness = new EngineHarness();
        harness.Add("a", Prompt, Greedy());
        harness.Runner.Failure = new InvalidOperationException("out of luck");
        Should.Throw<InvalidOperationException>(() => harness.Engine.Step()).Message.ShouldBe("out of luck");
    }

    [Fact]
    public void Metrics_OneRequest_CountWhatHappened()
    {
        using var harness = new EngineHarness();
        harness.Add("a", Prompt, Greedy(5));
        harness.Metric("octavo.requests.waiting").ShouldBe(1);
        harness.Clock.Advance(TimeSpan.FromMilliseconds(30));
        harness.Engine.Step();
        harness.Metric("octavo.requests.running").ShouldBe(1);
        harness.Metric("octavo.kv_cache.usage").ShouldBe(3.0 / 64, 1e-9);
        harness.RunToEnd();
        harness.Metric("octavo.prompt.tokens").ShouldBe(9);
        harness.Metric("octavo.output.tokens").ShouldBe(5);
        harness.Metric("octavo.requests.finished").ShouldBe(1);
        harness.Metric("octavo.step.tokens").ShouldBe(9 + 5);
        harness.Metric("octavo.request.time_to_first_token").ShouldBe(0.03, 1e-6);
        harness.Metric("octavo.request.queue_time").ShouldBe(0.03, 1e-6);
        harness.Final("a").Timings.FirstToken.ShouldBe(TimeSpan.FromMilliseconds(30));
    }

    [Fact]
    public void Metrics_ChunkedAndPreempted_CountEachTokenOfAStepOnce()
    {
        using var harness = new EngineHarness(numBlocks: 14, maxModelLen: 32, maxTokens: 8, maxSeqs: 4);
        for (int i = 0; i < 4; i++)
        {
            harness.Add($"r{i}", [.. Enumerable.Range(i, 9)], Greedy(12));
        }

        harness.RunToEnd();
        harness.Preemptions.ShouldBeGreaterThan(0);
        harness.Metric("octavo.request.preemptions").ShouldBe(harness.Preemptions);
        harness.Metric("octavo.step.tokens").ShouldBe((4 * 9) + (4 * 12));
        harness.Metric("octavo.request.longest_output_tokens").ShouldBe(4 * 12);
        harness.Metric("octavo.request.computed_prompt_tokens").ShouldBe(4 * 9);
    }

    [Fact]
    public void StepTimeRatio_WhereNothingWasPredicted_StaysWithinReason()
    {
        using var harness = new EngineHarness();
        double worst = 0;
        for (int i = 0; i < 20; i++)
        {
            double before = harness.Metric("octavo.step.time_ratio");
            harness.Add($"r{i}", Prompt, Greedy(2));
            harness.Runner.Observe = _ => harness.Clock.Advance(TimeSpan.FromMilliseconds(i < 10 ? 0 : 50));
            harness.RunToEnd();
            worst = Math.Max(worst, harness.Metric("octavo.step.time_ratio") - before);
        }

        worst.ShouldBeLessThanOrEqualTo(300);
    }

    [Theory]
    [InlineData("bogus", new[] { 1.0 }, "unknown family bogus")]
    [InlineData("kv_cache_residency", new[] { 1.0 }, "unknown family")]
    [InlineData("request_latency", new double[0], "request_latency")]
    [InlineData("request_latency", new[] { 0.0, 1 }, "above 0")]
    [InlineData("request_latency", new[] { 2.0, 1 }, "greater than the one before")]
    [InlineData("request_latency", new[] { 1.0, 1 }, "greater than the one before")]
    [InlineData("request_latency", new[] { 1.0, double.PositiveInfinity }, "finite")]
    [InlineData("request_latency", new[] { double.NaN }, "above 0")]
    public void Constructor_WrongHistogramBuckets_Refuses(string family, double[] bounds, string message) =>
        Should.Throw<EngineConfigurationException>(() => new EngineHarness(
            configure: o => o with
            {
                Metrics = new()
                {
                    CustomHistogramBuckets = new Dictionary<string, IReadOnlyList<double>> { [family] = bounds }
                }
            })).Message
                .ShouldContain(message);

    [Fact]
    public void Constructor_PoolBelowOneRequest_SaysWhatWouldFit()
    {
        EngineConfigurationException e = Should.Throw<EngineConfigurationException>(
            () => new EngineHarness(numBlocks: 4, blockSize: 4, maxModelLen: 17));
        e.Message.ShouldContain("16 or less");
        Should.Throw<EngineConfigurationException>(() => new EngineHarness(maxSeqs: 20, maxTokens: 10)).Message
            .ShouldContain("MaxNumBatchedTokens must be at least MaxNumSeqs (20)");
    }

    public static TheoryData<string, SamplingParams, int[]> BadRequests() => new()
    {
        { "Prompt", new(), [] },
        { "Prompt", new(), [.. new int[64]] },
        { "Prompt", new(), [64] },
        { "Prompt", new(), [-1] },
        { "N", new() { N = 0 }, [1] },
        { "Temperature", new() { Temperature = -0.1f }, [1] },
        { "Temperature", new() { Temperature = float.NaN }, [1] },
        { "TopP", new() { TopP = 0 }, [1] },
        { "TopP", new() { TopP = 1.1f }, [1] },
        { "TopK", new() { TopK = -2 }, [1] },
        { "MinP", new() { MinP = 1.5f }, [1] },
        { "PresencePenalty", new() { PresencePenalty = 3 }, [1] },
        { "FrequencyPenalty", new() { FrequencyPenalty = -3 }, [1] },
        { "RepetitionPenalty", new() { RepetitionPenalty = 0 }, [1] },
        { "MaxTokens", new() { MaxTokens = 0 }, [1] },
        { "MinTokens", new() { MinTokens = 20 }, [1] },
        { "Logprobs", new() { Logprobs = 21 }, [1] },
        { "Logprobs", new() { Logprobs = -2 }, [1] },
        { "PromptLogprobs", new() { PromptLogprobs = 21 }, [1] },
        { "PromptLogprobStart", new() { PromptLogprobStart = 1 }, [1] },
        { "PromptLogprobStart", new() { PromptLogprobs = 1, PromptLogprobStart = 1 }, [1] },
        { "PromptLogprobTokenIds", new() { PromptLogprobTokenIds = [[1], [2]] }, [1, 2, 3, 4] },
        { "LogprobTokenIds", new() { LogprobTokenIds = [64] }, [1] },
        { "LogprobTokenIds", new() { LogprobTokenIds = new int[129] }, [1] },
        { "Stop", new() { Stop = [""] }, [1] },
        { "Stop", new() { Stop = ["x"], Detokenize = false }, [1] },
        { "Stop", new() { Stop = ["x"] }, [1] },
        { "StopTokenIds", new() { StopTokenIds = [99] }, [1] },
        { "AllowedTokenIds", new() { AllowedTokenIds = [] }, [1] },
        { "BadWords", new() { BadWords = ["x"] }, [1] },
        { "LogitBias", new() { LogitBias = new Dictionary<int, float> { [1] = 101 } }, [1] },
        { "LogitBias", new() { LogitBias = new Dictionary<int, float> { [64] = 1 } }, [1] },
        { "StreamInterval", new() { StreamInterval = 0 }, [1] },
        { "ThinkingTokenBudget", new() { ThinkingTokenBudget = 5 }, [1] },
        { "RepetitionDetection.MinCount", new() { RepetitionDetection = new(3, 1, 1) }, [1] },
        { "Id", new(), [1] },
    };

    [Theory]
    [MemberData(nameof(BadRequests))]
    public void Add_BadRequest_NamesTheFieldAndLeavesOthersAlone(
        string parameter, SamplingParams parameters, int[] prompt)
    {
        string id = parameter == "Id" ? "beside" : "bad";
        var request = new EngineRequest { Id = id, PromptTokenIds = prompt, Parameters = parameters };
        using var harness = new EngineHarness();
        harness.Add("beside", Prompt, Greedy());
        harness.Engine.Step();
        InvalidRequestException e = Should.Throw<InvalidRequestException>(() => harness.Engine.Add(request, _ => { }));
        e.Parameter.ShouldBe(parameter);
        e.Message.ShouldContain(parameter);
        harness.RunToEnd();
        harness.Final("beside").Outputs[0].TokenIds.ShouldBe(EngineHarness.Expected(Prompt, 8));
    }

    private static int[] PromptThatReaches(int token, out int steps)
    {
        for (int i = 0; ; i++)
        {
            int[] prompt = [i % 60, i / 60 % 60, 1];
            int[] expected = EngineHarness.Expected(prompt, 30, ignoreEos: false);
            if (expected.Length is > 3 and < 30 && expected[^1] == token)
            {
                steps = expected.Length;
                return prompt;
            }
        }
    }
}

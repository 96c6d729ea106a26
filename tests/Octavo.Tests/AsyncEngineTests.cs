using Octavo.Engine;
using Octavo.Testing;

namespace Octavo.Tests;

public sealed class AsyncEngineTests
{
    private static readonly SamplingParams Greedy = new() { Temperature = 0, MaxTokens = 24 };

    [Fact]
    public async Task StreamAsync_Deltas_AddUpToTheWholeAnswer()
    {
        await using AsyncEngine engine = Load();
        RequestOutput whole = await engine.GenerateAsync("Once upon a time", Greedy);
        string text = string.Empty;
        await foreach (RequestOutput output in engine.StreamAsync("Once upon a time", Greedy))
        {
            text += output.Outputs[0].Text;
        }

        text.ShouldBe(whole.Outputs[0].Text);
        whole.Outputs[0].TokenIds.Count.ShouldBe(24);
    }

    [Fact]
    public async Task StreamAsync_StopText_EndsBeforeItAndShowsNoPartOfIt()
    {
        await using AsyncEngine engine = Load();
        string whole = (await engine.GenerateAsync("Once upon a time", Greedy)).Outputs[0].Text;
        for (int at = 5; at < whole.Length - 6; at += 7)
        {
            string stop = whole.Substring(at, 5);
            int index = whole.IndexOf(stop, StringComparison.Ordinal);
            string text = string.Empty;
            RequestOutput? last = null;
            await foreach (RequestOutput output
                in engine.StreamAsync("Once upon a time", Greedy with { Stop = ["never", stop] }))
            {
                text += output.Outputs[0].Text;
                whole[..index].ShouldStartWith(text);
                last = output;
            }

            text.ShouldBe(whole[..index]);
            last!.Outputs[0].FinishReason.ShouldBe(FinishReason.Stop);
            last.Outputs[0].StopReason!.Value.Text.ShouldBe(stop);
            RequestOutput kept = await engine.GenerateAsync(
                "Once upon a time", Greedy with { Stop = [stop], IncludeStopStrInOutput = true });
            kept.Outputs[0].Text.ShouldBe(whole[..(index + stop.Length)]);
        }
    }

    [Fact]
    public async Task StreamAsync_LeftEarly_AbortsTheRequest()
    {
        await using AsyncEngine engine = Load();
        await foreach (RequestOutput _
            in engine.StreamAsync("Once upon a time", Greedy with { MaxTokens = 400, IgnoreEos = true }))
        {
            break;
        }

        using var source = new CancellationTokenSource();
        Task<RequestOutput> cancelled = engine.GenerateAsync(
            "The fox", Greedy with { MaxTokens = 400, IgnoreEos = true }, null, source.Token);
        await source.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(cancelled);
        await engine.DrainAsync(TestContext.Current.CancellationToken);
        engine.NumRequests.ShouldBe(0);
    }

    [Fact]
    public async Task RunAsync_BadRequest_ThrowsAtOnceAndOthersFinish()
    {
        await using AsyncEngine engine = Load();
        Task<RequestOutput> beside = engine.GenerateAsync("The fox", Greedy);
        Should.Throw<InvalidRequestException>(() => engine.StreamAsync("x", Greedy with { TopP = 2 })).Parameter
            .ShouldBe("TopP");
        Should.Throw<InvalidRequestException>(() => engine.StreamAsync(new int[600], Greedy)).IsContextLength
            .ShouldBeTrue();
        (await beside).Outputs[0].TokenIds.Count.ShouldBe(24);
    }

    [Fact]
    public async Task RunAsync_IdTakenAgainByAnother_OnlyItsOwnIsCalledOff()
    {
        await using AsyncEngine engine = Load();
        for (int i = 0; i < 20; i++)
        {
            var options = new RequestOptions { RequestId = "same" };
            await foreach (RequestOutput output
                in engine.StreamAsync("The fox", Greedy with { MaxTokens = 1 }, options))
            {
                if (output.Finished)
                {
                    break;
                }
            }

            (await engine.GenerateAsync("The fox", Greedy with { MaxTokens = 4 }, options)).Outputs[0].FinishReason
                .ShouldBe(FinishReason.Length);
        }
    }

    [Fact]
    public async Task RunAsync_CancelledBeforeItIsRead_IsCalledOff()
    {
        await using AsyncEngine engine = Load();
        using var source = new CancellationTokenSource();
        _ = engine.StreamAsync("The fox", Greedy with { MaxTokens = 500, IgnoreEos = true }, null, source.Token);
        await source.CancelAsync();
        await engine.DrainAsync(TestContext.Current.CancellationToken);
        engine.NumRequests.ShouldBe(0);
    }

    [Fact]
    public async Task GenerateAsync_NoTokenLeftToDraw_FailsAloneWithTheReason()
    {
        await using AsyncEngine engine = Load();
        Task<RequestOutput> beside = engine.GenerateAsync("The fox", Greedy);
        InvalidRequestException e = await Should.ThrowAsync<InvalidRequestException>(
            engine.GenerateAsync("x", Greedy with { AllowedTokenIds = [5], StopTokenIds = [5], MinTokens = 1 }));
        e.Parameter.ShouldBe("AllowedTokenIds");
        (await beside).Outputs[0].TokenIds.Count.ShouldBe(24);
    }

    [Fact]
    public async Task GenerateAsync_BadWords_NeverAppear()
    {
        await using AsyncEngine engine = Load();
        RequestOutput plain = await engine.GenerateAsync("Once upon a time", Greedy);

        // Words of one token; a word of several is forbidden only in its own spelling.
        (
            string Word,
            int[] Tokens)[] words = [.. plain.Outputs[0].Text.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(w => (w, engine.Encode(" " + w, addSpecialTokens: false))).Where(w => w.Item2.Length == 1).Take(3)];
        words.Length.ShouldBe(3);
        words.ShouldAllBe(w => plain.Outputs[0].TokenIds.Contains(w.Tokens[0]));
        RequestOutput without = await engine.GenerateAsync(
            "Once upon a time", Greedy with { BadWords = [.. words.Select(w => w.Word)] });
        words.ShouldAllBe(w => !without.Outputs[0].TokenIds.Contains(w.Tokens[0]));
    }

    [Fact]
    public void Generate_OnePromptTooLong_RunsNone()
    {
        using LLM llm = LLM.Load(Repository.TalesModel);
        Should.Throw<InvalidRequestException>(() => llm.Generate([new[] { 1, 2 }, new int[600]])).IsContextLength
            .ShouldBeTrue();
        llm.Engine.NumRequests.ShouldBe(0);
    }

    [Fact]
    public async Task DrainAsync_RequestsInFlight_FinishAndNewOnesAreRefused()
    {
        await using AsyncEngine engine = Load();
        Task<RequestOutput> running = engine.GenerateAsync("The fox", Greedy);
        await engine.DrainAsync(TestContext.Current.CancellationToken);
        (await running).Outputs[0].FinishReason.ShouldBe(FinishReason.Length);
        Should.Throw<EngineStoppedException>(() => engine.StreamAsync("x", Greedy));
    }

    [Fact]
    public async Task DrainAsync_Cancelled_GoesOnDraining()
    {
        await using AsyncEngine engine = Load();
        Task<RequestOutput> running = engine.GenerateAsync(
            "The fox", Greedy with { MaxTokens = 200, IgnoreEos = true });
        await Should.ThrowAsync<OperationCanceledException>(
            () => engine.DrainAsync(new CancellationToken(canceled: true)));
        Should.Throw<EngineStoppedException>(() => engine.StreamAsync("x", Greedy));
        await engine.DrainAsync(TestContext.Current.CancellationToken);
        engine.NumRequests.ShouldBe(0);
        (await running).Outputs[0].TokenIds.Count.ShouldBe(200);
    }

    [Fact]
    public async Task DrainAsync_RequestsComeMeanwhile_EndsWithAllOfThem()
    {
        // Requests that start while the engine begins to drain are either refused or waited for.
        await using AsyncEngine loaded = Load();
        for (int round = 0; round < 100; round++)
        {
            await using AsyncEngine engine = Over(new FakeRunner(), loaded.Model);
            Task[] clients = [.. Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
            {
                while (true)
                {
                    await engine.GenerateAsync(
                        new[] { 1, 2 }, Greedy with { MaxTokens = 1 }, null, TestContext.Current.CancellationToken);
                }
            }, TestContext.Current.CancellationToken))];
            await engine.DrainAsync(TestContext.Current.CancellationToken)
                .WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
            foreach (Task client in clients)
            {
                (await Should.ThrowAsync<EngineStoppedException>(client)).Message
                    .ShouldBe("the engine is shutting down");
            }
        }
    }

    [Fact]
    public async Task Completion_EngineDisposed_EndsWell()
    {
        AsyncEngine engine = Load();
        await engine.GenerateAsync("The fox", Greedy);
        engine.Completion.IsCompleted.ShouldBeFalse();
        await engine.DisposeAsync();
        await engine.Completion;
        engine.Failure.ShouldBeNull();
    }

    [Fact]
    public async Task Completion_StepThrows_FaultsWithTheReason()
    {
        await using AsyncEngine loaded = Load();
        await using AsyncEngine engine = Over(
            new FakeRunner { Failure = new InvalidOperationException("no memory left") }, loaded.Model);
        Task<RequestOutput> running = engine.GenerateAsync(new[] { 1, 2 }, Greedy);
        EngineStoppedException stopped = await Should.ThrowAsync<EngineStoppedException>(engine.Completion);
        stopped.Message.ShouldBe("the engine has failed: no memory left");
        stopped.InnerException.ShouldBeSameAs(engine.Failure);
        await Should.ThrowAsync<EngineStoppedException>(running);
        await engine.DrainAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Dispose_RequestsInFlight_EndWithAnError()
    {
        AsyncEngine engine = Load();
        Task<RequestOutput> running = engine.GenerateAsync(
            "The fox", Greedy with { MaxTokens = 500, IgnoreEos = true });
        await engine.DisposeAsync();
        await Should.ThrowAsync<EngineStoppedException>(running);
    }

    [Fact]
    public async Task StreamAsync_SixtyFourInATinyPool_EqualTheirSoloRuns()
    {
        // Room for one and a quarter sequences of full length: preemption is certain, where the policy does not look
        // ahead and follow the machine's speed.
        using TalesVariant model = new TalesVariant().WithLayers(2);
        await using AsyncEngine engine = AsyncEngine.Load(
            model.Path,
            new EngineOptions
            {
                Model = new() { Dtype = ModelDtype.Float32 },
                Memory = new() { KvCacheMemory = 40 * 32768 },
                Scheduling = new() { MaxNumSeqs = 64, Batching = BatchingMode.Fixed },
            });
        await using AsyncEngine solo = AsyncEngine.Load(
            model.Path,
            new EngineOptions
            {
                Model = new() { Dtype = ModelDtype.Float32 },
                Scheduling = new() { Batching = BatchingMode.Fixed },
            });
        long preemptions = 0;
        using System.Diagnostics.Metrics.MeterListener listener = new()
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter == engine.Meter && instrument.Name == "octavo.preemptions")
                {
                    l.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref preemptions, value));
        listener.Start();
        var random = new Random(9);
        (int[] Prompt, SamplingParams Sampling)[] requests = [.. Enumerable.Range(0, 64).Select(i => (
            Enumerable.Range(0, random.Next(1, 150)).Select(_ => random.Next(4, 4096)).ToArray(),
            new SamplingParams { MaxTokens = random.Next(1, 100), Seed = i, Temperature = 0.8f, IgnoreEos = true }))];

        string[] together = await Task.WhenAll(requests.Select(r => ReadAsync(engine, r.Prompt, r.Sampling)));

        Interlocked.Read(ref preemptions).ShouldBeGreaterThan(0);
        await engine.DrainAsync(TestContext.Current.CancellationToken);
        await engine.CheckIntegrityAsync();
        for (int i = 0; i < requests.Length; i++)
        {
            (await ReadAsync(solo, requests[i].Prompt, requests[i].Sampling)).ShouldBe(together[i], $"request {i}");
        }
    }

    [Fact]
    public async Task BeamSearchAsync_SmallWidth_FindsWhatExhaustiveScoringFinds()
    {
        await using AsyncEngine engine = Load();
        BeamSearchOutput found = await engine.BeamSearchAsync(
            "Once upon a time", new BeamSearchParams { BeamWidth = 4, MaxTokens = 6 });
        RequestOutput greedy = await engine.GenerateAsync(
            "Once upon a time", Greedy with { MaxTokens = 6, Logprobs = 0 });
        found.Sequences.Count.ShouldBe(4);
        found.Sequences.Select(s => s.Score).ShouldBeInOrder(SortDirection.Descending);
        found.Sequences[0].CumulativeLogprob.ShouldBeGreaterThanOrEqualTo(
            greedy.Outputs[0].CumulativeLogprob!.Value - 1e-6);
        foreach (BeamSearchSequence sequence in found.Sequences)
        {
            // Each beam's log-probability is that of scoring its tokens as a prompt.
            RequestOutput scored = await engine.GenerateAsync(
                Prompt.FromTokenIds([.. found.PromptTokenIds, .. sequence.TokenIds]), Greedy with
                {
                    MaxTokens = 1,
                    PromptLogprobs = 0,
                });
            double sum = scored.PromptLogprobs!.Skip(found.PromptTokenIds.Count).Sum(p => (double)p!.Token.Logprob);
            sequence.CumulativeLogprob.ShouldBe(sum, 1e-4);
        }
    }

    /// <summary>By the length of what was made, as the definition has it, the token that ends it included.</summary>
    [Theory]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(2.5, false)]        // long beams win
    public async Task BeamSearchAsync_LengthPenalty_DividesByTheOutputsLength(double penalty, bool someEnd)
    {
        await using AsyncEngine engine = Load();

        // A story's end is near, so that some beams end there and others do not.
        BeamSearchOutput found = await engine.BeamSearchAsync(
            "Then they all went home and slept well that night. The end.", new BeamSearchParams
            {
                BeamWidth = 4,
                MaxTokens = 8,
                LengthPenalty = penalty,
            });

        found.Sequences.ShouldAllBe(
            s => Math.Abs(s.Score - (s.CumulativeLogprob / Math.Pow(s.TokenIds.Count, penalty))) < 1e-9);
        found.Sequences.Select(s => s.Score).ShouldBeInOrder(SortDirection.Descending);
        found.Sequences.Any(s => s.FinishReason == FinishReason.Stop).ShouldBe(someEnd);
    }

    [Fact]
    public async Task StreamAsync_StopThatIsASpecialToken_EndsThoughItIsHidden()
    {
        await using AsyncEngine engine = Load();
        int[] said = engine.Encode(" One day<|im_end|> she went", addSpecialTokens: false);
        var sampling = new SamplingParams
        {
            TraceDecodeTokenIds = said,
            MaxTokens = said.Length,
            IgnoreEos = true,
            Stop = ["<|im_end|>"],
        };
        string text = string.Empty;
        CompletionOutput? last = null;
        await foreach (RequestOutput output in engine.StreamAsync("Once", sampling))
        {
            last = output.Outputs[0];
            text += last.Text;
        }

        text.ShouldBe(" One day");
        last!.FinishReason.ShouldBe(FinishReason.Stop);
        last.StopReason!.Value.Text.ShouldBe("<|im_end|>");
    }

    [Fact]
    public void Load_BadOptions_AreRefusedWithWhatIsSupported()
    {
        Refused(new EngineOptions { Model = new() { Quantization = "int3" } }, "int3", "float32, bf16");
        Refused(
            new EngineOptions { Model = new() { Quantization = "bf16", Dtype = ModelDtype.Float32 } }, "contradict");
        Refused(new EngineOptions { Model = new() { MaxModelLen = 1000 } }, "512 positions");
        Refused(new EngineOptions { Memory = new() { KvCacheMemory = 1 << 20 } }, "MaxModelLen to");
        Refused(new EngineOptions { Memory = new() { BlockSize = 8 } }, "multiple of 16");
        Refused(new EngineOptions { Scheduling = new() { MaxNumSeqs = 0 } }, "MaxNumSeqs must be at least 1");
        Refused(
            new EngineOptions { Scheduling = new() { MaxNumBatchedTokens = -1 } },
            "MaxNumBatchedTokens must be at least 1; it is -1");
        Refused(new EngineOptions { Model = new() { Threads = 0 } }, "Threads");
        Refused(new EngineOptions { Memory = new() { KvCacheMemory = 1L << 50 } }, "memory");
        Refused(
            new EngineOptions { Scheduling = new() { MaxNumSeqs = 10, MaxNumBatchedTokens = 5 } },
            "MaxNumBatchedTokens must be at least MaxNumSeqs (10)",
            "it is 5");

        static void Refused(EngineOptions options, params string[] parts)
        {
            string message = Should.Throw<EngineConfigurationException>(() => Load(options)).Message;
            parts.ShouldAllBe(p => message.Contains(p), message);
        }
    }

    [Fact]
    public void Generate_SkipTokenizerInit_IdsInAndOut()
    {
        using LLM llm =
            LLM.Load(
                Repository.TalesModel, "float32", new EngineOptions { Model = new() { SkipTokenizerInit = true } });
        RequestOutput output = llm.Generate(new[] { 0, 3206, 647, 262, 551 }, Greedy with { MaxTokens = 2 });
        output.Outputs[0].TokenIds.ShouldBe([262, 1159]);
        output.Outputs[0].Text.ShouldBeEmpty();
        Should.Throw<InvalidRequestException>(() => llm.Generate("text")).Message.ShouldContain("without a tokenizer");
    }

    [Fact]
    public void DefaultSamplingParams_GenerationConfig_Applies()
    {
        using LLM own = LLM.Load(Repository.TalesModel);
        own.DefaultSamplingParams.Temperature.ShouldBe(0.7f);
        own.DefaultSamplingParams.TopP.ShouldBe(0.95f);
        own.DefaultSamplingParams.MaxTokens.ShouldBe(480);
        using LLM neutral =
            LLM.Load(
                Repository.TalesModel,
                options: new EngineOptions { Model = new() { GenerationConfig = GenerationConfigSource.Vllm } });
        neutral.DefaultSamplingParams.ShouldBe(new SamplingParams());
    }

    private static AsyncEngine Over(IModelRunner runner, ModelInfo model) =>
        new(
            new LlmEngine(
                runner,
                null,
                new LlmEngineOptions { MaxModelLen = 64, Scheduling = new() { Batching = BatchingMode.Fixed } }),
            null,
            model);

    /// <summary>All tokens are as likely, and a step takes no time.</summary>
    private sealed class FakeRunner : IModelRunner
    {
        public Exception? Failure { get; init; }

        public int VocabSize => 64;

        public IReadOnlyList<CacheGroup> CacheGroups => CacheGroup.Everything;

        public int NumBlocks => 64;

        public int BlockSize => 16;

        public int MaxNumBatchedTokens => 2048;

        public IWorkTeam Team => CallerOnly.Instance;

        public StepWork Work => default;

        public void Run(StepBatch batch, Span<float> logits)
        {
            if (Failure is { } failure)
            {
                throw failure;
            }

            logits.Clear();
        }

        public void Dispose()
        {
        }
    }

    private static async Task<string> ReadAsync(AsyncEngine engine, int[] prompt, SamplingParams sampling)
    {
        List<int> tokens = [];
        await foreach (RequestOutput output in engine.StreamAsync(prompt, sampling))
        {
            tokens.AddRange(output.Outputs.SelectMany(o => o.TokenIds));
        }

        return string.Join(' ', tokens);
    }

    // Fixed, for adaptive batching measures the machine's steps before the first.
    private static AsyncEngine Load(EngineOptions? options = null) =>
        AsyncEngine.Load(
            Repository.TalesModel,
            options ?? new EngineOptions
            {
                Model =
                new() { Dtype = ModelDtype.Float32 },
                Scheduling = new() { Batching = BatchingMode.Fixed }
            });
}

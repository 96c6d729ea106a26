using System.Diagnostics.Metrics;
using Octavo.Engine;
using Octavo.Engine.Sampling;
using Octavo.Testing;

namespace Octavo.Cpu.Tests;

/// <summary>
/// The first rule of numbers: a request's logits do not depend on its company. One request is run in many ways on two
/// layers of the bundled model, and every bit of every row that it is drawn from is compared with a plain solo run.
/// </summary>
public sealed class BatchInvarianceTests(BatchInvarianceTests.TwoLayers model)
    : IClassFixture<BatchInvarianceTests.TwoLayers>
{
    private const string TargetId = "target";

    private static readonly SamplingParams Sampling = new()
    {
        MaxTokens = 24,
        Temperature = 0.9f,
        TopP = 0.95f,
        Seed = 7,
        IgnoreEos = true,
        ExtraArgs = new Dictionary<string, object?> { ["capture"] = true },
    };

    private static readonly (string Weights, KvCacheFormat KvCache)[] Formats =
    [
        ("float32", KvCacheFormat.Float32),
        ("bf16", KvCacheFormat.BFloat16),
        ("bf16", KvCacheFormat.Int8),
        ("bf16", KvCacheFormat.Fp8),
        ("int8", KvCacheFormat.Int8),
        ("int4", KvCacheFormat.BFloat16),
        ("int8-channel", KvCacheFormat.Float32),
        ("int4-weight", KvCacheFormat.Float32),
    ];

    private static readonly (string Name, Scenario Scenario)[] Scenarios =
    [
        ("chunks of 1", new Scenario { Chunk = 1, MaxSeqs = 1 }),
        ("chunks of 7", new Scenario { Chunk = 7, MaxSeqs = 7 }),
        ("1 thread", new Scenario { Threads = 1 }),
        ("chunks of 7, 1 thread", new Scenario { Chunk = 7, MaxSeqs = 7, Threads = 1 }),
        ("3 threads", new Scenario { Threads = 3 }),
        ("blocks of 32", new Scenario { BlockSize = 32 }),
        ("among 32 others", new Scenario { Others = 32 }),
        ("among 32 others, small budget, 1 thread",
            new Scenario { Others = 32, Chunk = 61, MaxSeqs = 61, Threads = 1 }),
        ("preempted", new Scenario { Others = 32, NumBlocks = 40 }),
        ("prefix cache hit", new Scenario { WarmPrefix = true }),
        ("prefix cache off", new Scenario { WarmPrefix = true, PrefixCaching = false }),
    ];

    /// <summary>
    /// Every format in every company is a product of which a part is run: each format with every third scenario,
    /// beginning with another one, so that each scenario meets kernels of several formats; with every sixth where
    /// kernels are plain C#.
    /// </summary>
    public static TheoryData<string, KvCacheFormat, int, int> Companies()
    {
        int step = Extent.Of(10) == 10 ? 1 : ProcessorFeatures.Selected == InstructionSet.Portable ? 6 : 3;
        var data = new TheoryData<string, KvCacheFormat, int, int>();
        for (int i = 0; i < Formats.Length; i++)
        {
            data.Add(Formats[i].Weights, Formats[i].KvCache, i % step, step);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Companies))]
    public void Logits_InAnyCompany_AreTheSameBits(string weights, KvCacheFormat kvCache, int first, int step)
    {
        List<float[]> expected = RunScenario(new Scenario { Weights = weights, KvCache = kvCache }, out _);
        expected.Count.ShouldBe(24);
        for (int i = first; i < Scenarios.Length; i += step)
        {
            (string name, Scenario scenario) = Scenarios[i];
            AssertSame(
                expected, RunScenario(scenario with { Weights = weights, KvCache = kvCache }, out Observations seen),
                name);
            (seen.Preemptions > 0).ShouldBe(scenario.NumBlocks < 100, name);
            if (scenario.WarmPrefix)
            {
                (seen.CachedTokens > 0).ShouldBe(scenario.PrefixCaching, name);
            }
        }
    }

    [Theory]
    [InlineData(nameof(InstructionSet.Avx2))]
    [InlineData(nameof(InstructionSet.Portable))]
    public void Logits_OnEachInstructionSet_AreInvariantToo(string kernels)
    {
        InstructionSet isa = Enum.Parse<InstructionSet>(kernels);
        Assert.SkipWhen(isa > ProcessorFeatures.Selected, $"this processor, or OCTAVO_ISA, has no {isa}");
        List<float[]> expected = RunScenario(new Scenario { Isa = isa }, out _);
        AssertSame(expected, RunScenario(new Scenario { Isa = isa, Others = 8, Threads = 1 }, out _), "among 8 others");
        AssertSame(expected, RunScenario(new Scenario { Isa = isa, Chunk = 7, MaxSeqs = 7 }, out _), "chunks of 7");
    }

    /// <summary>
    /// Integers are exact, and everything between them is done in one order with correctly rounded operations.
    /// </summary>
    [Theory]
    [InlineData("int8", KvCacheFormat.Int8)]
    [InlineData("int8", KvCacheFormat.Fp8)]
    [InlineData("int8-channel", KvCacheFormat.Float32)]
    [InlineData("int4", KvCacheFormat.BFloat16)]
    [InlineData("float32", KvCacheFormat.Float32)]
    public void Logits_OfAScheme_AreTheSameBitsOnEveryInstructionSet(string weights, KvCacheFormat kvCache)
    {
        List<float[]>? expected = null;
        foreach (InstructionSet isa in TestRunner.InstructionSets)
        {
            List<float[]> rows = RunScenario(new Scenario { Weights = weights, KvCache = kvCache, Isa = isa }, out _);
            AssertSame(expected ??= rows, rows, isa.ToString());
        }
    }

    /// <summary>
    /// Rows are drawn from by whichever thread comes to them, many of them and scores of prompts in one step.
    /// </summary>
    /// <summary>Members are put aside wherever they are, and others do what they held.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    public void Logits_BesideBusyLoops_AreTheSameBits(int threads)
    {
        int[] ids = [.. Enumerable.Range(0, 64).Select(i => (i * 37 % 500) + 3)];
        using var alone = new TestRunner(model.Path, "int8", KvCacheFormat.BFloat16, threads: 1);
        float[][] expected = alone.AllLogits(ids);
        bool isOver = false;
        Thread[] loops = [.. Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            while (!Volatile.Read(ref isOver))
            {
                // Wants the processors.
            }
        }))];
        Array.ForEach(loops, loop => loop.Start());
        try
        {
            using var beside = new TestRunner(model.Path, "int8", KvCacheFormat.BFloat16, threads: threads);
            foreach (int chunk in new[] { 1, 7, 64 })
            {
                float[][] actual = beside.AllLogits(ids, chunk);
                for (int row = 0; row < ids.Length; row++)
                {
                    actual[row].ShouldBe(expected[row], $"row {row}, chunks of {chunk}");
                }
            }
        }
        finally
        {
            Volatile.Write(ref isOver, true);
            Array.ForEach(loops, loop => loop.Join());
        }
    }

    [Fact]
    public void Tokens_DrawnByAnyNumberOfThreads_AreTheSame()
    {
        SamplingParams[] mixes =
        [
            new(), new() { TopP = 0.9f }, new() { TopK = 40, TopP = 0.95f, Logprobs = 3 }, new() { MinP = 0.05f },
            new() { Temperature = 0.7f, RepetitionPenalty = 1.2f, PresencePenalty = 0.3f }, new() { Temperature = 0 },
            new() { AllowedTokenIds = [.. Enumerable.Range(100, 900)] }, new() { PromptLogprobs = 2, TopK = 3 },
        ];
        string expected = Run(threads: 1, atOnce: 1);
        for (int threads = 1; threads <= 4; threads++)
        {
            Run(threads, atOnce: 32).ShouldBe(expected, $"{threads} threads");
        }

        string Run(int threads, int atOnce)
        {
            using var runner = new TestRunner(model.Path, "float32", KvCacheFormat.Float32, 1000, 16, 512, threads);
            using LlmEngine engine = runner.Engine(512, prefixCaching: false, atOnce);
            var told = new string[32];
            for (int i = 0; i < told.Length; i++)
            {
                int number = i;
                SamplingParams parameters = mixes[i % mixes.Length] with { Seed = i, MaxTokens = 16, IgnoreEos = true };
                int[] prompt = [.. Enumerable.Range(0, 5 + i).Select(p => 200 + (((i * 613) + (p * 37)) % 3000))];
                engine.Add(
                    new EngineRequest { Id = $"{i}", PromptTokenIds = prompt, Parameters = parameters },
                    output => told[number] = Tell(output));
            }

            engine.RunToEnd();
            return string.Join('\n', told);
        }

        static string Tell(RequestOutput output)
        {
            CompletionOutput only = output.Outputs[0];
            IEnumerable<TokenLogprob> scores = (only.Logprobs ?? []).Concat(output.PromptLogprobs ?? [])
                .OfType<PositionLogprobs>().SelectMany(p => p.Top.Prepend(p.Token));
            return string.Join(' ', only.TokenIds) + " / " + string.Join(' ', scores);
        }
    }

    private List<float[]> RunScenario(Scenario s, out Observations seen)
    {
        var rows = new List<float[]>();
        LogitsProcessor? Capture(SamplingParams p) =>
            p.ExtraArgs?.ContainsKey("capture") == true ? (_, logits) => rows.Add(logits.ToArray()) : null;
        using var runner = new TestRunner(
            model.Path, s.Weights, s.KvCache, s.NumBlocks, s.BlockSize, maxTokens: 512, s.Threads, s.Isa);
        using LlmEngine engine = runner.Engine(s.Chunk, s.PrefixCaching, s.MaxSeqs, Capture);
        long preemptions = 0;
        using MeterListener listener = new()
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter == engine.Meter && instrument.Name == "octavo.preemptions")
                {
                    l.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => preemptions += value);
        listener.Start();

        int[] prompt = [.. Enumerable.Range(0, 90).Select(i => 200 + (i * 37 % 3000))];
        if (s.WarmPrefix)
        {
            engine.Add(
                new EngineRequest { Id = "warm", PromptTokenIds = prompt, Parameters = new() { MaxTokens = 1 } },
                _ => { });
            engine.RunToEnd();
        }

        var random = new Random(3);
        for (int i = 0; i < s.Others; i++)
        {
            int[] other = [.. Enumerable.Range(0, random.Next(1, 120)).Select(_ => random.Next(4, 4000))];
            var parameters = new SamplingParams { MaxTokens = random.Next(1, 30), Seed = i, IgnoreEos = true };
            engine.Add(
                new EngineRequest { Id = $"other-{i}", PromptTokenIds = other, Parameters = parameters }, _ => { });
        }

        int cached = 0;
        engine.Add(
            new EngineRequest { Id = TargetId, PromptTokenIds = prompt, Parameters = Sampling },
            o => cached = o.NumCachedTokens);
        engine.RunToEnd();
        engine.CheckIntegrity();
        seen = new Observations(preemptions, cached);
        return rows;
    }

    private static void AssertSame(List<float[]> expected, List<float[]> actual, string scenario)
    {
        actual.Count.ShouldBe(expected.Count, scenario);
        for (int i = 0; i < expected.Count; i++)
        {
            ReadOnlySpan<int> a = System.Runtime.InteropServices.MemoryMarshal.Cast<float, int>(expected[i]);
            ReadOnlySpan<int> b = System.Runtime.InteropServices.MemoryMarshal.Cast<float, int>(actual[i]);
            a.SequenceEqual(b).ShouldBeTrue($"{scenario}: token {i} differs first at logit {a.CommonPrefixLength(b)}");
        }
    }

    /// <summary>The model of all runs.</summary>
    public sealed class TwoLayers : IDisposable
    {
        private readonly TalesVariant _model = new TalesVariant().WithLayers(2);

        public string Path => _model.Path;

        public void Dispose() => _model.Dispose();
    }

    private sealed record Observations(long Preemptions, int CachedTokens);

    private sealed record Scenario
    {
        public string Weights { get; init; } = "float32";

        public KvCacheFormat KvCache { get; init; } = KvCacheFormat.Float32;

        public int Chunk { get; init; } = 512;

        public int MaxSeqs { get; init; } = 64;

        public int Threads { get; init; } = 2;

        public int Others { get; init; }

        public int NumBlocks { get; init; } = 1000;

        public int BlockSize { get; init; } = 16;

        public bool WarmPrefix { get; init; }

        public bool PrefixCaching { get; init; } = true;

        public InstructionSet? Isa { get; init; }
    }
}

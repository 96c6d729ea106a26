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

    private static readonly (string Name, Company Company)[] Scenarios =
    [
        ("chunks of 1", new Company { Chunk = 1, MaxSeqs = 1 }),
        ("chunks of 7", new Company { Chunk = 7, MaxSeqs = 7 }),
        ("1 thread", new Company { Threads = 1 }),
        ("chunks of 7, 1 thread", new Company { Chunk = 7, MaxSeqs = 7, Threads = 1 }),
        ("3 threads", new Company { Threads = 3 }),
        ("blocks of 32", new Company { BlockSize = 32 }),
        ("among 32 others", new Company { Others = 32 }),
        ("among 32 others, small budget, 1 thread",
            new Company { Others = 32, Chunk = 61, MaxSeqs = 61, Threads = 1 }),
        ("preempted", new Company { Others = 32, NumBlocks = 40 }),
        ("prefix cache hit", new Company { WarmPrefix = true }),
        ("prefix cache off", new Company { WarmPrefix = true, PrefixCaching = false }),
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
        List<float[]> expected = Run(new Company { Weights = weights, KvCache = kvCache }, out _);
        expected.Count.ShouldBe(24);
        for (int i = first; i < Scenarios.Length; i += step)
        {
            (string name, Company company) = Scenarios[i];
            Company.ShouldBeTheSame(
                expected, Run(company with { Weights = weights, KvCache = kvCache }, out Company.Observations seen),
                name);
            (seen.Preemptions > 0).ShouldBe(company.NumBlocks < 100, name);
            if (company.WarmPrefix)
            {
                (seen.CachedTokens > 0).ShouldBe(company.PrefixCaching, name);
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
        List<float[]> expected = Run(new Company { Isa = isa }, out _);
        Company.ShouldBeTheSame(
            expected, Run(new Company { Isa = isa, Others = 8, Threads = 1 }, out _), "among 8 others");
        Company.ShouldBeTheSame(expected, Run(new Company { Isa = isa, Chunk = 7, MaxSeqs = 7 }, out _), "chunks of 7");
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
            List<float[]> rows = Run(new Company { Weights = weights, KvCache = kvCache, Isa = isa }, out _);
            Company.ShouldBeTheSame(expected ??= rows, rows, isa.ToString());
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

    private List<float[]> Run(Company company, out Company.Observations seen) => company.Run(model.Path, out seen);

    /// <summary>The model of all runs.</summary>
    public sealed class TwoLayers : IDisposable
    {
        private readonly TalesVariant _model = new TalesVariant().WithLayers(2);

        public string Path => _model.Path;

        public void Dispose() => _model.Dispose();
    }
}

using Octavo.Cpu;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Lab.Measuring;

namespace Octavo.Lab.Tests.Measuring;

public sealed class ModelBenchmarkTests
{
    private const long Plenty = 1L << 30;

    internal static readonly ModelShape Tiny = new(
        "tiny", Hidden: 64, Layers: 2, Heads: 4, KvHeads: 2, HeadDim: 16, Intermediate: 96, Vocabulary: 200);

    private static ModelBenchmarkOptions Options => new()
    {
        Weights = WeightScheme.BFloat16,
        KvCache = KvCacheFormat.BFloat16,
        Threads = 2,
        PromptTokens = 40,
        Batches = [1, 3],
        Contexts = [0, 17],
        TimePerFigure = TimeSpan.Zero,
    };

    [Fact]
    public void Measure_PrefillAndDecodes_EveryFigureIsThere()
    {
        using BenchedModel model = BenchedModel.Random(Tiny);
        using var benchmark = new ModelBenchmark(model, Options, Plenty);
        StepMeasurement[] steps = [.. benchmark.Steps.Select(benchmark.Measure)];

        steps.Select(s => (s.Phase, s.Sequences, s.Context, s.Tokens)).ShouldBe(
            [
                ("prefill", 1, 0, 40), ("decode", 1, 0, 1), ("decode", 3, 0, 3), ("decode", 1, 17, 1),
                ("decode", 3, 17, 3)
            ]);
        foreach (StepMeasurement step in steps)
        {
            step.Seconds.ShouldBePositive();
            step.TokensPerSecond.ShouldBe(step.Tokens / step.Seconds);
            step.WeightBytes.ShouldBe(benchmark.WeightBytes);
        }

        benchmark.Skipped.ShouldBeEmpty();
    }

    [Fact]
    public void Measure_Sampling_DrawsFromEachRow()
    {
        using BenchedModel model = BenchedModel.Random(Tiny);
        ModelBenchmarkOptions options = Options with { Sampling = "top-p=0.9,repetition-penalty=1.1" };
        using var benchmark = new ModelBenchmark(model, options, Plenty);

        benchmark.Measure(new StepKind("decode", 3, 17, 1)).Seconds.ShouldBePositive();

        options.Drawing.ShouldBe("drawn top-p=0.9,repetition-penalty=1.1");
        Options.Drawing.ShouldBe("nothing drawn");
    }

    [Fact]
    public void Measure_OneSequence_CountsBytesAndOperationsOfAStep()
    {
        using BenchedModel model = BenchedModel.Random(Tiny);
        using var benchmark = new ModelBenchmark(model, Options, Plenty);
        StepMeasurement[] steps = [.. benchmark.Steps.Select(benchmark.Measure)];

        // By hand: a layer has 128·64 + 64·64 + 192·64 + 64·96 = 30720 weights; attention multiplies 4 heads of 16 with
        // each key, and each value, of every token so far: 820 pairs for 40 tokens, 18 for the 18th.
        const long Layers = 2 * 30720;
        const long Head = 200 * 64;
        const long Pair = 2 * 4 * 4 * 16;
        steps[0].Operations.ShouldBe((2 * ((40 * Layers) + Head)) + (820 * Pair));
        steps[3].Operations.ShouldBe((2 * (Layers + Head)) + (18 * Pair));
        steps[3].CacheBytes.ShouldBe(18 * 2 * 2 * (2 * 16) * sizeof(ushort));
    }

    [Fact]
    public void Measure_CombinationLargerThanMemory_IsSkippedAndSaidSo()
    {
        // Room for the model and one sequence of 16,001 tokens, but not for three.
        using BenchedModel model = BenchedModel.Random(Tiny);
        using var benchmark =
            new ModelBenchmark(model, Options with { Contexts = [0, 16000] }, availableMemory: 6 << 20);

        benchmark.Steps.Select(s => (s.Sequences, s.Context)).ShouldBe([(1, 0), (1, 0), (3, 0), (1, 16000)]);
        benchmark.Skipped.ShouldHaveSingleItem().ShouldBe(new SkippedStep(3, 16000, 3L * 16016 * 256));
    }

    [Fact]
    public void MakeCheckpoint_Logits_AreFiniteAndDiffer()
    {
        using Checkpoint checkpoint = RandomModel.MakeCheckpoint(Tiny);
        using IModelRunner runner = new CpuBackend().Plan(RandomModel.Describe(Tiny, 64), checkpoint, new PlanRequest
        {
            Weights = WeightScheme.Float32,
            KvCache = KvCacheFormat.Float32,
            MaxModelLen = 64,
            MaxNumBatchedTokens = 16,
            Threads = 1,
        }).Load(4);
        var batch = new StepBatch(runner.BlockSize);
        batch.AddSequence([5, 6, 7], 0, [0], 1);
        var logits = new float[Tiny.Vocabulary];
        runner.Run(batch, logits);

        logits.ShouldAllBe(l => float.IsFinite(l));
        logits.Distinct().Count().ShouldBeGreaterThan(Tiny.Vocabulary / 2);
    }
}

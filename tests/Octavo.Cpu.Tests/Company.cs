using System.Diagnostics.Metrics;
using Octavo.Engine;
using Octavo.Engine.Sampling;
using Octavo.Testing;

namespace Octavo.Cpu.Tests;

/// <summary>One way to run a request: in what formats, beside what others, cut how, on how many threads.</summary>
internal sealed record Company
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

    public string Weights { get; init; } = "float32";

    public KvCacheFormat KvCache { get; init; } = KvCacheFormat.Float32;

    public int Chunk { get; init; } = 512;

    public int MaxSeqs { get; init; } = 64;

    public int Threads { get; init; } = 2;

    public int Others { get; init; }

    /// <summary>Blocks of each cache group.</summary>
    public int NumBlocks { get; init; } = 1000;

    public int BlockSize { get; init; } = 16;

    public bool WarmPrefix { get; init; }

    public bool PrefixCaching { get; init; } = true;

    public InstructionSet? Isa { get; init; }

    /// <summary>Runs it.</summary>
    /// <param name="model">The model's directory.</param>
    /// <param name="seen">What happened on the way.</param>
    /// <returns>The rows that the request's tokens were drawn from.</returns>
    public List<float[]> Run(string model, out Observations seen)
    {
        var rows = new List<float[]>();
        LogitsProcessor? Capture(SamplingParams p) =>
            p.ExtraArgs?.ContainsKey("capture") == true ? (_, logits) => rows.Add(logits.ToArray()) : null;
        using var runner = new TestRunner(model, Weights, KvCache, NumBlocks, BlockSize, maxTokens: 512, Threads, Isa);
        using LlmEngine engine = runner.Engine(Chunk, PrefixCaching, MaxSeqs, Capture);
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

        int ids = Math.Min(3000, runner.Runner.VocabSize - 200);
        int[] prompt = [.. Enumerable.Range(0, 90).Select(i => 200 + (i * 37 % ids))];
        if (WarmPrefix)
        {
            engine.Add(
                new EngineRequest { Id = "warm", PromptTokenIds = prompt, Parameters = new() { MaxTokens = 1 } },
                _ => { });
            engine.RunToEnd();
        }

        var random = new Random(3);
        for (int i = 0; i < Others; i++)
        {
            int[] other = [.. Enumerable.Range(0, random.Next(1, 100)).Select(_ => random.Next(4, ids))];
            var parameters = new SamplingParams { MaxTokens = random.Next(1, 28), Seed = i, IgnoreEos = true };
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

    /// <summary>Compares rows bit by bit.</summary>
    public static void ShouldBeTheSame(List<float[]> expected, List<float[]> actual, string company)
    {
        actual.Count.ShouldBe(expected.Count, company);
        for (int i = 0; i < expected.Count; i++)
        {
            ReadOnlySpan<int> a = System.Runtime.InteropServices.MemoryMarshal.Cast<float, int>(expected[i]);
            ReadOnlySpan<int> b = System.Runtime.InteropServices.MemoryMarshal.Cast<float, int>(actual[i]);
            a.SequenceEqual(b).ShouldBeTrue($"{company}: token {i} differs first at logit {a.CommonPrefixLength(b)}");
        }
    }

    /// <summary>What happened.</summary>
    public sealed record Observations(long Preemptions, int CachedTokens);
}

using Octavo.Engine;
using Octavo.Engine.Sampling;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Cpu.Tests;

/// <summary>Layers that read the keys and values of another one.</summary>
public sealed class SharedCacheTests
{
    private const string Model = "rotary, windows, biases, gated";

    /// <summary>
    /// Where the layers between leave the residual stream as it is, another layer's keys and values are those that the
    /// layer would have made by the same weights.
    /// </summary>
    [Fact]
    public void Run_CacheOfAnotherLayer_EqualsItsOwnByTheSameWeights()
    {
        DecoderSpec own = LayerWalkTests.SpecOf(Model).MapAttention((_, attention) => attention with { Window = 9 });
        using Checkpoint random = LayerWalkTests.RandomWeights(own);
        using Checkpoint checkpoint = Checkpoint.InMemory("shared", [.. random.Tensors.Values.Select(Alike)]);
        DecoderSpec shared = Sharing(own);
        int[] ids = [.. Enumerable.Range(0, 40).Select(i => i * 7 % own.VocabSize)];
        foreach (KvCacheFormat format in Enum.GetValues<KvCacheFormat>())
        {
            float[] expected = Logits(own, checkpoint, format, ids, chunk: 40);
            Logits(shared, checkpoint, format, ids, chunk: 40).ShouldBe(expected, $"{format}");
            Logits(shared, checkpoint, format, ids, chunk: 3).ShouldBe(expected, $"{format}, chunks of 3");
        }

        new CpuPlan(shared, checkpoint, Request(KvCacheFormat.Float32)).CacheBytesPerToken.ShouldBe(
            new CpuPlan(own, checkpoint, Request(KvCacheFormat.Float32)).CacheBytesPerToken * 2 / 3);

        // Layers 0 and 1 add nothing; layer 2 norms and projects as layer 0 does.
        TensorSource Alike(Tensor tensor) => tensor.Name switch
        {
            "0.o" or "0.o.bias" or "0.down" or "0.down.bias" or "1.o" or "1.o.bias" or "1.down" or "1.down.bias" =>
                Source(tensor, new byte[tensor.ByteLength]),
            "2.norm1" or "2.k" or "2.k.bias" or "2.v" or "2.v.bias" =>
                Source(tensor, Bytes(random.Get("0" + tensor.Name[1..]))),
            _ => Source(tensor, Bytes(tensor)),
        };
    }

    /// <summary>
    /// Alone, among others, preempted, in chunks, with a prefix had back: every row is the same to the bit.
    /// </summary>
    [Theory]
    [InlineData(KvCacheFormat.Float32)]
    [InlineData(KvCacheFormat.BFloat16)]
    [InlineData(KvCacheFormat.Int8)]
    public void Logits_InAnyCompany_AreTheSameBits(KvCacheFormat format)
    {
        DecoderSpec spec = Sharing(LayerWalkTests.SpecOf(Model));
        using Checkpoint checkpoint = LayerWalkTests.RandomWeights(spec);
        List<float[]> alone = Rows(others: 0, chunk: 64, blocks: 100, warm: false);
        alone.Count.ShouldBe(12);
        Company.ShouldBeTheSame(alone, Rows(0, 1, 100, false), "chunks of 1");
        Company.ShouldBeTheSame(alone, Rows(0, 7, 100, false), "chunks of 7");
        Company.ShouldBeTheSame(alone, Rows(32, 64, 100, false), "among 32 others");
        Company.ShouldBeTheSame(alone, Rows(32, 64, 12, false), "preempted");
        Company.ShouldBeTheSame(alone, Rows(0, 64, 100, true), "prefix cache hit");

        List<float[]> Rows(int others, int chunk, int blocks, bool warm)
        {
            var rows = new List<float[]>();
            var plan = new CpuPlan(spec, checkpoint, Request(format));
            using var runner = new CpuModelRunner(plan, blocks * plan.CacheGroups.Count);
            using var engine = new LlmEngine(runner, null, new LlmEngineOptions
            {
                MaxModelLen = 64,
                EosTokenIds = [],
                Scheduling = new()
                {
                    Batching = BatchingMode.Fixed,
                    MaxNumSeqs = Math.Min(chunk, 33),
                    MaxNumBatchedTokens = chunk,
                },
                Sampling = new()
                {
                    LogitsProcessors =
                    [
                        p => p.ExtraArgs is null ? null : (_, logits) => rows.Add(logits.ToArray()),
                    ],
                },
            });
            int[] prompt = [.. Enumerable.Range(0, 40).Select(i => i * 7 % spec.VocabSize)];
            if (warm)
            {
                Add("warm", prompt, new SamplingParams { MaxTokens = 1 });
                engine.RunToEnd();
            }

            for (int i = 0; i < others; i++)
            {
                Add($"{i}", [.. prompt.Skip(i)], new SamplingParams { MaxTokens = 1 + (i % 9), Seed = i });
            }

            int cached = 0;
            engine.Add(
                new EngineRequest
                {
                    Id = "target",
                    PromptTokenIds = prompt,
                    Parameters = new SamplingParams
                    {
                        MaxTokens = 12,
                        Seed = 3,
                        ExtraArgs = new Dictionary<string, object?> { ["capture"] = true },
                    },
                },
                output => cached = output.NumCachedTokens);
            engine.RunToEnd();
            if (others == 0)
            {
                (cached > 0).ShouldBe(warm);
            }

            return rows;

            void Add(string id, int[] ids, SamplingParams parameters) => engine.Add(
                new EngineRequest { Id = id, PromptTokenIds = ids, Parameters = parameters }, _ => { });
        }
    }

    // The last layer reads the first one's.
    private static DecoderSpec Sharing(DecoderSpec spec) => spec.MapAttention((i, attention) => i < 2
        ? attention
        : attention with { CacheOf = 0, Key = null, Value = null, Window = spec.Attentions.First().Window });

    private static PlanRequest Request(KvCacheFormat format) => new()
    {
        Weights = WeightScheme.Float32,
        KvCache = format,
        MaxModelLen = 64,
        MaxNumBatchedTokens = 64,
        Threads = 2,
    };

    private static float[] Logits(DecoderSpec spec, Checkpoint checkpoint, KvCacheFormat format, int[] ids, int chunk)
    {
        var plan = new CpuPlan(spec, checkpoint, Request(format));
        using var runner = new CpuModelRunner(plan, 4 * plan.CacheGroups.Count);
        int[] table = [.. Enumerable.Range(0, 4 * plan.CacheGroups.Count)];
        var batch = new StepBatch(runner);
        float[] logits = new float[ids.Length * spec.VocabSize];
        for (int start = 0; start < ids.Length; start += chunk)
        {
            int count = Math.Min(chunk, ids.Length - start);
            batch.Clear();
            batch.AddSequence(ids.AsSpan(start, count), start, table, count);
            runner.Run(batch, logits.AsSpan(start * spec.VocabSize, count * spec.VocabSize));
        }

        return logits;
    }

    private static byte[] Bytes(Tensor tensor) => tensor.Bytes(0, (int)tensor.ByteLength).ToArray();

    private static TensorSource Source(Tensor like, byte[] bytes) => new(like.Name, like.Type, [.. like.Shape], bytes);
}

using Octavo.Engine;
using Octavo.Engine.Sampling;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Testing;

namespace Octavo.Cpu.Tests;

/// <summary>A model directory loaded for a test, with its runner.</summary>
internal sealed class TestRunner : IDisposable
{
    private readonly Checkpoint _checkpoint;

    public TestRunner(
        string directory,
        string weights = "float32",
        KvCacheFormat kvCache = KvCacheFormat.Float32,
        int numBlocks = 64,
        int blockSize = 16,
        int maxTokens = 512,
        int threads = 2,
        InstructionSet? isa = null,
        int? maxModelLen = null)
    {
        ModelSource model = ModelSource.Open(directory);
        _checkpoint = model.OpenCheckpoint();
        Description = ModelCatalog.Describe(model, _checkpoint);
        var request = new PlanRequest
        {
            Weights = Schemes.Named(weights),
            KvCache = kvCache,
            BlockSize = blockSize,
            MaxModelLen = maxModelLen ?? Description.Spec.DefaultMaxModelLen,
            MaxNumBatchedTokens = maxTokens,
            Threads = threads,
        };
        var plan = new CpuPlan(Description.Spec, _checkpoint, request, isa);
        Runner = new CpuModelRunner(plan, numBlocks * plan.CacheGroups.Count);
    }

    /// <summary>
    /// Whether an emulator carries us out (.ci/run says so). The runtime's own vector code does not survive there, so
    /// what is tested is what we generate.
    /// </summary>
    public static bool Emulated => Environment.GetEnvironmentVariable("OCTAVO_EMULATED") == "1";

    /// <summary>The instruction sets that this machine, and OCTAVO_ISA, allow.</summary>
    public static IEnumerable<InstructionSet> InstructionSets =>
        Enum.GetValues<InstructionSet>().Where(i => i <= ProcessorFeatures.Selected && ProcessorFeatures.Has(i));

    public ModelDescription Description { get; }

    public CpuModelRunner Runner { get; }

    /// <summary>Logits of every position of a sequence computed in chunks of one size, in blocks 0, 1, 2 …</summary>
    public float[][] AllLogits(ReadOnlySpan<int> ids, int chunk = int.MaxValue)
    {
        int[] table = TableOf(ids.Length);
        var batch = new StepBatch(Runner);
        var rows = new float[ids.Length][];
        for (int start = 0; start < ids.Length; start += chunk)
        {
            int count = Math.Min(chunk, ids.Length - start);
            batch.Clear();
            batch.AddSequence(ids.Slice(start, count), start, table, count);
            var logits = new float[count * Runner.VocabSize];
            Runner.Run(batch, logits);
            for (int i = 0; i < count; i++)
            {
                rows[start + i] = logits.AsSpan(i * Runner.VocabSize, Runner.VocabSize).ToArray();
            }

            chunk = Math.Min(chunk, ids.Length);
        }

        return rows;
    }

    /// <summary>Tables of a sequence, for all cache groups; of several sequences no two share a block.</summary>
    public int[] TableOf(int numTokens, int sequence = 0)
    {
        int blocks = (numTokens + Runner.BlockSize - 1) / Runner.BlockSize * Runner.CacheGroups.Count;
        return [.. Enumerable.Range(sequence * blocks, blocks)];
    }

    /// <summary>An engine over the runner, which it then owns.</summary>
    public LlmEngine Engine(
        int maxTokens = 512, bool prefixCaching = true, int maxSeqs = 64, LogitsProcessorFactory? processor = null) =>
            new(Runner, null, new LlmEngineOptions
            {
                MaxModelLen = Runner.CacheGroups.LongestIn(
                    Runner.NumBlocks, Runner.BlockSize, Description.Spec.DefaultMaxModelLen, maxTokens),
                EosTokenIds = Description.EosTokenIds,
                Scheduling = new()
                {
                    Batching = BatchingMode.Fixed,
                    MaxNumSeqs = Math.Min(maxSeqs, maxTokens),
                    MaxNumBatchedTokens = maxTokens,
                    EnablePrefixCaching = prefixCaching,
                },
                Sampling = new() { LogitsProcessors = processor is null ? [] : [processor], MaxLogprobs = -1 },
            });

    public void Dispose()
    {
        Runner.Dispose();
        _checkpoint.Dispose();
    }
}

internal static class EngineExtensions
{
    /// <summary>Steps until nothing is left to do.</summary>
    public static void RunToEnd(this LlmEngine engine)
    {
        while (engine.HasWork)
        {
            engine.Step().ShouldBeTrue("an engine with work must make progress");
        }
    }
}

using Octavo.Engine;
using Octavo.Testing;

namespace Octavo.Cpu.Tests;

/// <summary>Counts what the whole process allocates, and so runs while no other test does.</summary>
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
[Collection(nameof(AllocationTests))]
public sealed class AllocationTests
{
    [Theory]
    [InlineData("float32", KvCacheFormat.Float32)]
    [InlineData("bf16", KvCacheFormat.BFloat16)]
    [InlineData("bf16", KvCacheFormat.Int8)]
    [InlineData("bf16", KvCacheFormat.Fp8)]
    public void Run_SteadyState_AllocatesNothing(string weights, KvCacheFormat kvCache)
    {
        using var model = new TestRunner(Repository.TalesModel, weights, kvCache);
        var batch = new StepBatch(16);
        var logits = new float[8 * model.Runner.VocabSize];
        int[] table = [.. Enumerable.Range(0, 8)];
        void Step()
        {
            batch.Clear();
            for (int s = 0; s < 4; s++)
            {
                batch.AddSequence([7, 8, 9], 50, table, 1);
            }

            model.Runner.Run(batch, logits);
        }

        for (int i = 0; i < 50; i++)
        {
            Step();
        }

        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < 100; i++)
        {
            Step();
        }

        // The whole process is counted, every thread of the team included; the runtime's own may add a little.
        (GC.GetTotalAllocatedBytes(precise: true) - before).ShouldBeLessThan(
            100 * 100, "less than a hundred bytes a step is none a step");
    }
}

using System.Runtime.InteropServices;
using Octavo.Cpu.Cache;
using Octavo.Cpu.Memory;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Lab.Measuring;
using Octavo.Models;
using Octavo.Testing;

namespace Octavo.Cpu.Tests;

public sealed class WeightMemoryTests
{
    private const string Measured = "OCTAVO_TEST_MEASURED";
    private static readonly ModelShape Shape = new("memory", 1024, 6, 16, 4, 64, 4096, 16384);

    [Theory]
    [InlineData("int8", 0.55)]
    [InlineData("int8-weight", 0.55)]
    [InlineData("int4", 0.33)]
    [InlineData("int4-weight", 0.33)]
    public void WeightBytes_AtAWidthOfTheTrade_AreAFractionOfBFloat16(string scheme, double most)
    {
        DecoderSpec spec = RandomModel.Describe(Shape, 64);
        double ratio = (double)Plan(spec, scheme).WeightBytes / Plan(spec, "bf16").WeightBytes;

        ratio.ShouldBeLessThanOrEqualTo(most);
    }

    [Fact]
    public void NotesFor_GroupsThatDoNotDivide_NameTheGroupsTaken()
    {
        DecoderSpec spec = RandomModel.Describe(ModelShape.All.Single(s => s.Name == "135m"), 64);

        Plan(spec, "int8").Notes.ShouldBe(["matrices of 576 inputs: groups of 96, because 128 does not divide them"]);
        Plan(spec, "bf16").Notes.ShouldBeEmpty();
    }

    /// <summary>What is promised before loading is what the process then holds: one of its own, for what other tests
    /// allocated or gave back meanwhile would be taken for the weights.</summary>
    [Theory]
    [InlineData("bf16")]
    [InlineData("int8")]
    [InlineData("int4")]
    public async Task WeightBytes_OfAPlan_AreWhatTheProcessGrowsBy(string scheme)
    {
        Assert.SkipUnless(
            OperatingSystem.IsLinux() && !RuntimeInformation.RuntimeIdentifier.Contains("musl"),
            "reads the resident set from /proc, and needs glibc");
        string? measured = Environment.GetEnvironmentVariable(Measured);
        if (measured is null)
        {
            await LoneProcess.RunAsync(
                typeof(WeightMemoryTests), nameof(WeightBytes_OfAPlan_AreWhatTheProcessGrowsBy), cases: 3, Measured,
                scheme);
        }
        else if (measured == scheme)
        {
            Measure(scheme);
        }
    }

    /// <summary>Of a checkpoint in files, what was packed is let go: only the weights stay.</summary>
    [Fact]
    public async Task Load_CheckpointInFiles_KeepsNoPagesOfWhatItPacked()
    {
        Assert.SkipUnless(
            OperatingSystem.IsLinux() && !RuntimeInformation.RuntimeIdentifier.Contains("musl"),
            "reads the resident set from /proc, and needs glibc");
        if (Environment.GetEnvironmentVariable(Measured) is null)
        {
            await LoneProcess.RunAsync(
                typeof(WeightMemoryTests), nameof(Load_CheckpointInFiles_KeepsNoPagesOfWhatItPacked), cases: 1,
                Measured, "files");
            return;
        }

        ModelShape shape = Shape with { Layers = 3 };
        DirectoryInfo directory = Directory.CreateTempSubdirectory("octavo-memory-");
        try
        {
            RandomModel.WriteTo(shape, 64, directory.FullName);
            using Checkpoint checkpoint = Checkpoint.Open(directory.FullName);
            CpuPlan plan = Plan(RandomModel.Describe(shape, 64), "int8", checkpoint);
            long before = Resident();
            using var runner = new CpuModelRunner(plan, 4);
            (Resident() - before).ShouldBeInRange((long)(plan.WeightBytes * 0.9), plan.WeightBytes + (24 << 20));
            checkpoint.TotalBytes.ShouldBeGreaterThan(48 << 20, "else it would not matter");
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    /// <summary>A cache takes memory as it is used, however large it is and however large the system's pages.</summary>
    [Fact]
    public async Task KvCache_FirstTokens_TouchLittleOfIt()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads the resident set from /proc");
        if (Environment.GetEnvironmentVariable(Measured) is null)
        {
            await LoneProcess.RunAsync(
                typeof(WeightMemoryTests), nameof(KvCache_FirstTokens_TouchLittleOfIt), cases: 1, Measured, "cache");
            return;
        }

        const int Slots = 100;
        AttentionSpec[] layers = [.. RandomModel.Describe(ModelShape.All[0], 64).Attentions];
        using var cache = new KvCache(layers, KvCacheFormat.BFloat16, numBlocks: 8192, blockSize: 16);
        using NativeBuffer row = NativeBuffer.OfFloats(cache.Layer(0).NumKvHeads * cache.Layer(0).Layout.HeadDim);
        long before = Resident();
        for (int layer = 0; layer < layers.Length; layer++)
        {
            for (int slot = 0; slot < Slots; slot++)
            {
                Write(cache, layer, slot, row);
            }
        }

        // An extent of keys and one of values, and what the system's large pages add at their ends.
        long extent = 512 * KvCache.BytesPerBlock(layers, KvCacheFormat.BFloat16, 16) / 16;
        (Resident() - before).ShouldBeLessThan(extent + (12 << 20));
    }

    private static unsafe void Write(KvCache cache, int layer, int slot, NativeBuffer row) =>
        cache.Write(layer, slot, row.Floats, row.Floats);

    private static void Measure(string scheme)
    {
        // Half as deep: kept twice, or as they were stored, weights would still be far more than what is allowed beside
        // them.
        ModelShape shape = Shape with { Layers = 3 };
        using Checkpoint checkpoint = RandomModel.MakeCheckpoint(shape);
        DecoderSpec spec = RandomModel.Describe(shape, 64);
        long promised = Plan(spec, scheme).WeightBytes;
        long before = Resident();
        using var runner = new CpuModelRunner(Plan(spec, scheme, checkpoint), 4);
        long grown = Resident() - before;

        runner.WeightBytes.ShouldBe(promised);

        // Beside the weights: buffers of a step, kernels, what the packer's threads had at hand.
        grown.ShouldBeInRange((long)(promised * 0.9), promised + (24 << 20));
    }

    private static CpuPlan Plan(DecoderSpec spec, string scheme, Checkpoint? checkpoint = null) =>
        new(spec, checkpoint, new PlanRequest
        {
            Weights = Schemes.Named(scheme),
            KvCache = KvCacheFormat.BFloat16,
            MaxModelLen = 64,
            MaxNumBatchedTokens = 16,
        });

    private static long Resident()
    {
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024;
    }
}

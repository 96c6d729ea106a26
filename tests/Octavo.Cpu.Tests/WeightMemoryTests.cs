using System.Runtime.InteropServices;
using Octavo.Cpu.Kernels;
using Octavo.Cpu.Measuring;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Cpu.Tests;

// What other tests allocate meanwhile would be taken for the weights.
[Collection(nameof(Alone))]
public sealed partial class WeightMemoryTests
{
    private static readonly ModelShape Shape = new("memory", 1024, 6, 16, 4, 64, 4096, 16384);

    [Theory]
    [InlineData(WeightFormat.Int8, 0.55)]
    [InlineData(WeightFormat.Int8Weight, 0.55)]
    [InlineData(WeightFormat.Int4, 0.33)]
    [InlineData(WeightFormat.Int4Weight, 0.33)]
    public void WeightBytes_AtAWidthOfTheTrade_AreAFractionOfBFloat16(WeightFormat format, double most)
    {
        DecoderSpec spec = RandomModel.Describe(Shape, 64);
        double ratio = (double)CpuModelRunner.WeightBytesFor(spec, format) / CpuModelRunner.WeightBytesFor(spec, WeightFormat.BFloat16);

        ratio.ShouldBeLessThanOrEqualTo(most);
    }

    [Fact]
    public void NotesFor_GroupsThatDoNotDivide_NameTheGroupsTaken()
    {
        DecoderSpec spec = RandomModel.Describe(ModelShape.All.Single(s => s.Name == "135m"), 64);

        CpuModelRunner.NotesFor(spec, WeightFormat.Int8).ShouldBe(["matrices of 576 inputs: groups of 96, because 128 does not divide them"]);
        CpuModelRunner.NotesFor(spec, WeightFormat.BFloat16).ShouldBeEmpty();
    }

    /// <summary>What is promised before loading is what the process then holds.</summary>
    [Theory]
    [InlineData(WeightFormat.BFloat16)]
    [InlineData(WeightFormat.Int8)]
    [InlineData(WeightFormat.Int4)]
    public void WeightBytes_OfAPlan_AreWhatTheProcessGrowsBy(WeightFormat format)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && !RuntimeInformation.RuntimeIdentifier.Contains("musl"), "reads the resident set from /proc, and needs glibc");
        using Checkpoint checkpoint = RandomModel.MakeCheckpoint(Shape);
        DecoderSpec spec = RandomModel.Describe(Shape, 64);
        long promised = CpuModelRunner.WeightBytesFor(spec, format);
        // What earlier tests gave back, to the collector or to the allocator, goes back to the system.
#pragma warning disable S1215 // The resident set is what is measured.
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
#pragma warning restore S1215
        GiveBack(0);
        long before = Resident();
        using var runner = new CpuModelRunner(spec, checkpoint, new CpuRunnerOptions
        {
            Weights = format,
            KvCache = KvCacheFormat.BFloat16,
            NumBlocks = 4,
            MaxModelLen = 64,
            MaxNumBatchedTokens = 16,
        });
        long grown = Resident() - before;

        runner.WeightBytes.ShouldBe(promised);

        // Beside the weights: buffers of a step, kernels, what the packer's threads had at hand; and now and then something of
        // other tests still goes back meanwhile.
        grown.ShouldBeInRange((long)(promised * 0.6), promised + (24 << 20));
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int GiveBack(nuint keep);

    private static long Resident()
    {
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024;
    }
}

[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

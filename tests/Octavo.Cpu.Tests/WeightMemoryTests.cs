using System.Diagnostics;
using System.Runtime.InteropServices;
using Octavo.Cpu.Kernels;
using Octavo.Formats;
using Octavo.Lab.Measuring;
using Octavo.Models;

namespace Octavo.Cpu.Tests;

public sealed class WeightMemoryTests
{
    private const string Measured = "OCTAVO_TEST_MEASURED";
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

    /// <summary>What is promised before loading is what the process then holds: one of its own, for what other tests
    /// allocated or gave back meanwhile would be taken for the weights.</summary>
    [Theory]
    [InlineData(WeightFormat.BFloat16)]
    [InlineData(WeightFormat.Int8)]
    [InlineData(WeightFormat.Int4)]
    public async Task WeightBytes_OfAPlan_AreWhatTheProcessGrowsBy(WeightFormat format)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && !RuntimeInformation.RuntimeIdentifier.Contains("musl"), "reads the resident set from /proc, and needs glibc");
        string? measured = Environment.GetEnvironmentVariable(Measured);
        if (measured is null)
        {
            await RunAloneAsync(format);
        }
        else if (measured == format.ToString())
        {
            Measure(format);
        }
    }

    private static async Task RunAloneAsync(WeightFormat format)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, UseShellExecute = false };
        start.Environment[Measured] = format.ToString();
        foreach (string argument in (string[])["exec", typeof(WeightMemoryTests).Assembly.Location, "-noColor", "-method", $"*.{nameof(WeightBytes_OfAPlan_AreWhatTheProcessGrowsBy)}"])
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        output.ShouldContain("Total: 3, Errors: 0, Failed: 0, Skipped: 0");
        process.ExitCode.ShouldBe(0, output);
    }

    private static void Measure(WeightFormat format)
    {
        using Checkpoint checkpoint = RandomModel.MakeCheckpoint(Shape);
        DecoderSpec spec = RandomModel.Describe(Shape, 64);
        long promised = CpuModelRunner.WeightBytesFor(spec, format);
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

        // Beside the weights: buffers of a step, kernels, what the packer's threads had at hand.
        grown.ShouldBeInRange((long)(promised * 0.9), promised + (24 << 20));
    }

    private static long Resident()
    {
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024;
    }
}

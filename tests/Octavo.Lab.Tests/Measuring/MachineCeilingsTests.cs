using Octavo.Cpu;
using Octavo.Formats;
using Octavo.Lab.Measuring;

namespace Octavo.Lab.Tests.Measuring;

public sealed class MachineCeilingsTests
{
    [Fact]
    public void Measure_ThisMachine_GivesRatesAndEveryKernelOnce()
    {
        MachineCeilings ceilings = MachineCeilings.Measure(1, runs: 1);
        ceilings.ReadBandwidth.ShouldBeGreaterThan(0);
        ceilings.Float32Peak.ShouldBeGreaterThan(0);
        (ceilings.Int8Peak is not null).ShouldBe(CpuFeatures.Avx512Vnni);
        (ceilings.BFloat16Peak is not null).ShouldBe(CpuFeatures.Avx512Bf16);
        var shape = new ModelShape("tiny", 64, 2, 2, 1, 16, 96, 128);
        List<KernelMeasurement> seen = [];
        KernelBenchmark.Measure(shape, WeightScheme.BFloat16, 1, seen.Add, runs: 1);
        seen.Select(m => m.Rows).Distinct().ShouldBe(KernelBenchmark.RowCounts);
        seen.Count.ShouldBe(4 * KernelBenchmark.RowCounts.Count);
        seen.ShouldAllBe(m => m.Seconds > 0 && m.FractionOf(ceilings) > 0);
        seen[0].Operations.ShouldBe(2L * 64 * (2 + 2) * 16);
    }
}

using System.Diagnostics;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Lab.Measuring;

namespace Octavo.Lab.Tests.Measuring;

public sealed class ContentionTests
{
    private static readonly ModelShape Tiny = ModelBenchmarkTests.Tiny;

    [Fact]
    public void Measure_BesideLoops_GivesStepsAndWhatFairSharingWouldCost()
    {
        using var benchmark = Make();
        ContentionMeasurement measured = benchmark.Measure(loops: 1);

        measured.Loops.ShouldBe(1);
        measured.Alone.ShouldBeGreaterThan(0);
        measured.Percentile99.ShouldBeGreaterThanOrEqualTo(measured.Median);
        measured.Steps.ShouldBeGreaterThanOrEqualTo(5);
        measured.Ended.ShouldBeGreaterThan(measured.Began);
        (measured with { Loops = 4 }).FairSlowdown(processors: 2).ShouldBe(3);
        (measured with { Alone = 2, Median = 5 }).Slowdown.ShouldBe(2.5);
    }

    [Fact]
    public void CountUntil_Done_CountsStepsOfASpan()
    {
        using var benchmark = Make();
        DateTimeOffset began = TimeProvider.System.GetUtcNow();
        Func<DateTimeOffset, DateTimeOffset, int> count =
            benchmark.CountUntil(Task.Delay(50, TestContext.Current.CancellationToken));
        DateTimeOffset ended = TimeProvider.System.GetUtcNow();

        count(began, ended).ShouldBeGreaterThan(0);
        count(ended, ended.AddHours(1)).ShouldBe(0);
    }

    [Fact]
    public void MachineLoad_LinesOfTheSystem_SayWhatOthersHad()
    {
        // User, nice, system, idle, waiting, two kinds of interrupts, stolen; in hundredths of a second.
        MachineLoad before = MachineLoad.Parse(
            ["cpu  100 10 50 900 30 5 5 20 0 0", "cpu0 0", "cpu1 0", "cpu2 0", "intr 7"], own: 0.5);
        MachineLoad behind = MachineLoad.Parse(["cpu  400 10 150 1000 40 5 5 70 0 0", "cpu0 0"], own: 3.5);
        before.Busy.ShouldBe(1.7, 1e-9);
        before.Processors.ShouldBe(3);
        Disturbance disturbance =
            (behind with { Timestamp = before.Timestamp + (Stopwatch.Frequency * 100), Processors = 3 }).Since(before);
        const double all = 100 * 3;

        disturbance.Others.ShouldBe(1 / all, 1e-9);
        disturbance.Stolen.ShouldBe(0.5 / all, 1e-9);
        new Disturbance(0.02, 0.01).IsSmall.ShouldBeTrue();
        new Disturbance(0.02, 0.02).IsSmall.ShouldBeFalse();
    }

    private static ContentionBenchmark Make() => new(
        Tiny,
        new ModelBenchmarkOptions
        {
            Weights = WeightScheme.BFloat16,
            KvCache = KvCacheFormat.BFloat16,
            Batches = [1],
            Contexts = [16],
        },
        TimeSpan.FromMilliseconds(50));
}

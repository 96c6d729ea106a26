using Octavo.Cli.Tune;
using Octavo.Lab.Tuning;
using Octavo.Lab.Workloads;

namespace Octavo.Cli.Tests;

public sealed class TuneReportTests
{
    [Fact]
    public void Verdict_BestWasLuck_SaysWhatTakesItsPlace()
    {
        Measured lucky = Of(8, 120), good = Of(64, 100);
        var confirmation = new Confirmation(Of(8, 50), Of(64, 100));
        var adaptive = new Measured(BatchSetting.Adaptive, [Figures(90)]);
        var result = new TuneResult([], [lucky, good, adaptive], good.Setting, confirmation, 10);

        string[] verdict = [.. new TuneReport("m", "w", new BatchingTargets(), result).Verdict()];

        verdict[0].ShouldBe("best fixed limits: --max-num-seqs 64 --max-num-batched-tokens 64");
        verdict[1].ShouldStartWith("not confirmed: 8, 64 was best at first, and run again beside 64, 64, ");
        verdict[^1].ShouldBe("adaptive batching, serve's default, gets 90% of the best fixed limits' requests/s");
    }

    [Fact]
    public void Frontier_OfPoints_AreThoseThatNoneBeatsInBoth()
    {
        static Measured Of(int seqs, double itl, double tokens) =>
            new(
                new BatchSetting(BatchingMode.Fixed, seqs, 64),
                [Figures(1) with { InterTokenLatency = (0, itl, 0), TokensPerSecond = tokens }]);

        FrontierChart.Frontier([Of(1, 3, 30), Of(2, 1, 10), Of(3, 2, 5), Of(4, 4, 29), Of(5, 3, 12)])
            .Select(m => m.Setting.MaxNumSeqs).ShouldBe([2, 1]);
    }

    private static Measured Of(int seqs, double goodput) =>
        new(new BatchSetting(BatchingMode.Fixed, seqs, 64), [Figures(goodput)]);

    private static LoadFigures Figures(double goodput) => new()
    {
        Seconds = 1,
        Completed = 100,
        Failed = 0,
        TokensPerSecond = goodput,
        Goodput = goodput,
        GoodPart = 1,
        TimeToFirstToken = (0.1, 0.2, 0.3),
        InterTokenLatency = (0.01, 0.02, 0.03),
    };
}

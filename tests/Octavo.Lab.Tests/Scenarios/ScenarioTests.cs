using Octavo.Lab.Scenarios;
using Octavo.Lab.Simulation;
using Octavo.Lab.Workloads;

namespace Octavo.Lab.Tests.Scenarios;

public sealed class ScenarioTests
{
    private static readonly double[] Steps = [0.004, 0.0001, 0.0002, 0.0003, 0.0001, 0.0005, 0.005];

    [Fact]
    public void Requests_MachineHalfAsFast_ComeHalfAsOften()
    {
        foreach (string name in Scenario.Names)
        {
            int fast = Requests(name, speed: 1).Count, slow = Requests(name, speed: 0.5).Count;

            ((double)slow / fast).ShouldBeInRange(0.48, 0.52, name);
        }
    }

    [Fact]
    public void Requests_SecondDraw_AreOthersAtTheSameRate()
    {
        IReadOnlyList<WorkloadRequest> first = Requests("moderate", 1), again = Requests(
            "moderate", 1), second = Requests("moderate", 1, draw: 1);

        Lengths(again).ShouldBe(Lengths(first));
        second.Count.ShouldBe(first.Count);
        Lengths(second).ShouldNotBe(Lengths(first));

        static IEnumerable<(double Arrival, int Output)> Lengths(IReadOnlyList<WorkloadRequest> requests) =>
            requests.Select(r => (r.Arrival, r.OutputTokens));
    }

    /// <summary>
    /// Three rounds in which adaptive batching is at 2, 1.1 and 1 of the best; the medians of all are 3 and 2.
    /// </summary>
    [Fact]
    public void Relative_SeveralRounds_IsTheMedianOfTheirRatios()
    {
        BatchSetting good = Fixed(32), bad = Fixed(4);
        ScenarioResult result = Result((BatchSetting.Adaptive, [4, 2.2, 3]), (bad, [0, 9, 1]), (good, [2, 2, 3]));

        result.BestFixed.ShouldBe([good, bad]);
        result.Goodput(BatchSetting.Adaptive).ShouldBe(3);
        result.Ratios(BatchSetting.Adaptive).ShouldBe([2, 1.1, 1], 1e-6);
        result.Relative(BatchSetting.Adaptive).ShouldBe(1.1, 1e-6);
        result.Relative(good).ShouldBe(1);
    }

    [Fact]
    public void Relative_NobodyMetTheTargets_IsAlike() =>
        Result((BatchSetting.Adaptive, [0]), (Fixed(4), [0])).Relative(BatchSetting.Adaptive).ShouldBe(1);

    [Fact]
    public void BestSingle_BestOfSomeScenarios_CountsOnlyWhereItRanInAll()
    {
        BatchSetting here = Fixed(4), there = Fixed(8), everywhere = Fixed(32);
        ScenarioResult[] all =
        [
            Result((BatchSetting.Adaptive, [1]), (here, [10]), (everywhere, [9]), (BatchSetting.VllmDefaults, [1])),
            Result((BatchSetting.Adaptive, [1]), (there, [10]), (everywhere, [8]), (BatchSetting.VllmDefaults, [10])),
        ];

        ScenarioResult.BestSingle(all).ShouldBe(everywhere);
        ScenarioResult.Mean(all, everywhere).ShouldBe(0.85, 1e-6);
    }

    private static IReadOnlyList<WorkloadRequest> Requests(string name, double speed, int draw = 0) =>
        Scenario.Requests(
            name,
            new SimulationOptions { StepTimes = new StepTimes([.. Steps.Select(s => s / speed)], 0) },
            maxLength: 2048,
            seconds: 60,
            draw);

    private static BatchSetting Fixed(int sequences) => new(BatchingMode.Fixed, sequences, 256);

    private static ScenarioResult Result(params (BatchSetting Setting, double[] Rounds)[] settings) =>
        new("made up", settings.ToDictionary(s => s.Setting, IReadOnlyList<double> (s) => s.Rounds));
}

using Octavo.Lab.Tuning;
using Octavo.Lab.Workloads;

namespace Octavo.Lab.Tests.Tuning;

/// <summary>
/// The search of <c>octavo tune</c> over machines that are made up, so that the best setting is known.
/// </summary>
public sealed class TunerTests : IDisposable
{
    private static readonly Workload Load = new()
    {
        Arrivals = ArrivalProcess.Saturating,
        Requests = 5000,
        MaxLength = 512,
    };
    private readonly string _folder = Directory.CreateTempSubdirectory("octavo-tune-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(16, 256)]
    [InlineData(4, 64)]
    [InlineData(128, 2048)]
    [InlineData(32, 1024)]
    public void Run_NoisyMachine_FindsItsBestSetting(int seqs, int tokens)
    {
        var random = new Random(seqs + tokens);
        var best = new BatchSetting(BatchingMode.Fixed, seqs, tokens);
        TuneResult result = Tune(
            240, trial => Figures(Speed(trial.Setting, best) * (1 + (0.02 * (random.NextDouble() - 0.5)))));

        result.Best.ShouldBe(best);
        result.Confirmation!.Holds.ShouldBeTrue();
        result.Confirmation.IsBetter.ShouldBeTrue();
        result.Final.Count.ShouldBe(best == BatchSetting.VllmDefaults ? 4 : 5);
        result.Final.ShouldContain(m => m.Setting == BatchSetting.VllmDefaults);
        result.BestFixed.Runs.Count.ShouldBe(TunePlan.Rounds);
        result.BestFixed.Goodput.HalfWidth.ShouldBeInRange(1e-9, 0.03 * result.BestFixed.Goodput.Mean);
    }

    [Fact]
    public void Run_AnyMachine_KeepsToItsTime()
    {
        foreach (double budget in new double[] { 10, 60, 240 })
        {
            foreach (double secondsPerRequest in new[] { 0.001, 0.02, 0.1 })
            {
                double planned = 0;
                Tune(budget, trial =>
                {
                    planned += trial.Seconds;
                    trial.Requests.ShouldBeInRange(1, Load.Requests);
                    return Figures(
                        1 / secondsPerRequest, trial.Stage == TuneTrial.WarmUp ? MeanOutput / secondsPerRequest : null);
                });
                bool fits = budget / secondsPerRequest > 16 * 100;       // a hundred runs of the least load
                planned.ShouldBeInRange(
                    0, fits ? budget : double.MaxValue, $"{budget} s, {secondsPerRequest} s a request");
            }
        }
    }

    [Fact]
    public void Run_BestWasLuck_GivesItsPlaceToTheNext()
    {
        var lucky = new BatchSetting(BatchingMode.Fixed, 8, 64);
        var good = new BatchSetting(BatchingMode.Fixed, 64, 1024);
        TuneResult result = Tune(60, trial => Figures(
            trial.Setting == lucky ? (trial.Stage == "confirm" ? 50 : 120) + trial.Round
                : trial.Setting == good ? 100 - trial.Round
                : 40));

        result.Confirmation!.Holds.ShouldBeFalse();
        result.Confirmation.Best.Setting.ShouldBe(lucky);
        result.Confirmation.Next.Setting.ShouldBe(good);
        result.Best.ShouldBe(good);
    }

    [Fact]
    public void Run_NoiseHidesWhichIsBetter_RunsThemAgain()
    {
        var random = new Random(4);
        TuneResult noisy = Tune(60, trial => Figures(100 * (1 + (0.4 * (random.NextDouble() - 0.5)))));
        TuneResult quiet = Tune(60, trial => Figures(100 * (1 + (0.02 * (random.NextDouble() - 0.5)))));

        noisy.Confirmation!.Best.Runs.Count.ShouldBeInRange(TunePlan.Rounds + 1, TunePlan.MostRounds);
        quiet.Confirmation!.Best.Runs.Count.ShouldBe(TunePlan.Rounds);
        quiet.Confirmation.Holds.ShouldBeTrue();
        quiet.Confirmation.IsBetter.ShouldBeFalse();
    }

    [Fact]
    public void Run_Stopped_GoesOnWhereItStopped()
    {
        string path = Path.Combine(_folder, "settings.json.state");
        var best = new BatchSetting(BatchingMode.Fixed, 16, 256);
        int runs = 0;
        Should.Throw<OperationCanceledException>(() => Tune(
            60, trial => ++runs > 20 ? throw new OperationCanceledException() : Figures(Speed(trial.Setting, best)),
            path));
        Directory.GetFiles(_folder).ShouldBe([path]);      // no half-written file beside it

        TuneResult stopped = Tune(60, trial => Figures(Speed(trial.Setting, best)), path);
        TuneResult whole = Tune(60, trial => Figures(Speed(trial.Setting, best)));

        (20 + stopped.Measurements).ShouldBe(whole.Measurements);
        (stopped with { Measurements = whole.Measurements }).ShouldBeEquivalentTo(whole);
    }

    [Fact]
    public void Open_StateOfAnotherCommand_SaysWhatDiffers()
    {
        string path = Path.Combine(_folder, "x.state");
        TuneState state = TuneState.Open(
            path, new Dictionary<string, string> { ["model"] = "a", ["--target-itl"] = "50ms" });
        state.Add(new TuneTrial("final", 0, BatchSetting.Adaptive, 5, 1), Figures(3));

        string problem = Should.Throw<TuneStateException>(() => TuneState.Open(
            path,
            new Dictionary<string, string> { ["model"] = "b", ["--target-itl"] = "50ms", ["--time"] = "9s" })).Message;

        problem.ShouldContain("model a there, b here");
        problem.ShouldContain("--time not given there, 9s here");
        problem.ShouldNotContain("--target-itl");
        File.WriteAllText(path, "{\"runs\": 7");
        Should.Throw<TuneStateException>(() => TuneState.Open(path, new Dictionary<string, string>())).Message
            .ShouldContain("delete it to start anew");
    }

    [Fact]
    public void Rank_AlikeInGoodput_ShorterTimesGoFirst()
    {
        static Measured Of(int seqs, double goodput, double itl, double tokens = 1) =>
            new(
                new BatchSetting(BatchingMode.Fixed, seqs, 64),
                [Figures(goodput) with { InterTokenLatency = (0, itl, 0), TokensPerSecond = tokens }]);

        Measured.Rank([Of(1, 10, 0.05), Of(2, 9.9, 0.01), Of(3, 9.5, 0.001)]).Select(m => m.Setting.MaxNumSeqs)
            .ShouldBe([2, 1, 3]);
        Measured.Rank([Of(1, 0, 0.05, 5), Of(2, 0, 0.01, 3), Of(3, 0, 0.9, 7)]).Select(m => m.Setting.MaxNumSeqs)
            .ShouldBe([3, 1, 2]);
    }

    [Fact]
    public void Of_Values_IsTheMeanAndStudentsInterval()
    {
        // Student's t for four degrees of freedom is 2.776; the standard error of these is 1 / sqrt 2.
        Interval interval = Interval.Of([1, 2, 3, 4, 5]);

        interval.Mean.ShouldBe(3);
        interval.HalfWidth.ShouldBe(2.776 / Math.Sqrt(2), 1e-9);
        double.IsNaN(Interval.Of([7]).HalfWidth).ShouldBeTrue();
    }

    [Fact]
    public void Settings_FewRequestsOrSmallRunner_LeavesOutWhatIsTheSame()
    {
        new TunePlan(Load, 1000, 512).Settings(0.001).Max(s => s.MaxNumBatchedTokens).ShouldBe(512);
        new TunePlan(Load with { Requests = 10 }, 1000, 2048).Settings(0.001).Max(s => s.MaxNumSeqs).ShouldBe(16);
        new TunePlan(Load, 1000, 2048).Settings(0.001).Count.ShouldBe(35);
        new TunePlan(Load, 30, 2048).Settings(0.5).Count.ShouldBeLessThan(10);
    }

    private static double MeanOutput => Load.Make().Average(r => r.OutputTokens);

    // The farther from the best, the slower: a tenth for each doubling.
    private static double Speed(BatchSetting setting, BatchSetting best) =>
        100 / (1 + (0.1 * (Math.Abs(Math.Log2((double)setting.MaxNumSeqs / best.MaxNumSeqs))
            + Math.Abs(Math.Log2((double)setting.MaxNumBatchedTokens / best.MaxNumBatchedTokens)))));

    private static LoadFigures Figures(double goodput, double? tokens = null) => new()
    {
        Seconds = 100 / goodput,
        Completed = 100,
        Failed = 0,
        TokensPerSecond = tokens ?? goodput * MeanOutput,
        Goodput = goodput,
        GoodPart = 1,
        TimeToFirstToken = (0.1, 0.2, 0.3),
        InterTokenLatency = (0.01, 0.02, 0.03),
    };

    private static TuneResult Tune(double budget, Func<TuneTrial, LoadFigures> measure, string? path = null) =>
        new Tuner(
            new TunePlan(Load, budget, 2048),
            TuneState.Open(path, new Dictionary<string, string>()),
            measure,
            new Nowhere()).Run();

    private sealed class Nowhere : IProgress<TuneProgress>
    {
        public void Report(TuneProgress value) => value.Done.ShouldBeInRange(0, value.Total);
    }
}

using Octavo.Engine.Batching;

namespace Octavo.Engine.Tests;

public sealed class StepTimeModelTests
{
    // A machine like those we know: 3 ms to read the weights, few rows nearly free, many 0.3 ms each.
    private static readonly StepTimeModel Machine = StepTimeModel
        .Of([0.003, 0.0001, 0.0002, 0.00025, 0.00008, 0.0009, 0.0004]);

    [Fact]
    public void Observe_NoisySteps_PredictsUnseenOnes()
    {
        var model = new StepTimeModel();
        var random = new Random(1);
        for (int i = 0; i < 2000; i++)
        {
            StepLoad load = Draw(random);
            model.Observe(load, Machine.Predict(load) * (1 + (0.05 * ((2 * random.NextDouble()) - 1))));
        }

        for (int i = 0; i < 200; i++)
        {
            StepLoad load = Draw(random);
            model.Predict(load).ShouldBe(Machine.Predict(load), Machine.Predict(load) * 0.05);
        }

        model.RelativeError.ShouldBeInRange(0.01, 0.06);
    }

    [Fact]
    public void Observe_RareSlowSteps_BarelyMoveIt()
    {
        StepTimeModel model = Trained(out Random random);
        for (int i = 0; i < 1000; i++)
        {
            StepLoad load = Draw(random);
            model.Observe(load, Machine.Predict(load) * (i % 25 == 0 ? 10 : 1));
        }

        var probe = StepLoad.Decode(16, 4096);
        model.Predict(probe).ShouldBe(Machine.Predict(probe), Machine.Predict(probe) * 0.1);
    }

    [Fact]
    public void Observe_MachineTwiceAsSlow_FollowsWithinAHundredSteps()
    {
        StepTimeModel model = Trained(out Random random);
        for (int i = 0; i < 100; i++)
        {
            StepLoad load = Draw(random);
            model.Observe(load, 2 * Machine.Predict(load));
        }

        var probe = StepLoad.Decode(16, 4096);
        model.Predict(probe).ShouldBe(2 * Machine.Predict(probe), Machine.Predict(probe) * 0.3);
    }

    [Fact]
    public void Observe_OneLoadForever_KeepsWhatItKnowsOfOthers()
    {
        StepTimeModel model = Trained(out _);
        model.SetPrior(model.Coefficients);
        var same = StepLoad.Decode(4, 1000);
        for (int i = 0; i < 20_000; i++)
        {
            model.Observe(same, Machine.Predict(same) * (i % 2 == 0 ? 1.03 : 0.97));
        }

        StepLoad other = StepLoad.Decode(32, 20_000).WithPrefill(200, 300);
        model.Predict(other).ShouldBe(Machine.Predict(other), Machine.Predict(other) * 0.25);
        model.Coefficients.ToArray().ShouldAllBe(c => c >= 0 && double.IsFinite(c));
    }

    [Fact]
    public void Fit_NoisyStepsAndSomeFarOff_PredictsUnseenOnesWhateverTheOrder()
    {
        var random = new Random(3);
        List<(StepLoad Load, double Seconds)> steps =
            [.. Enumerable.Range(0, 400).Select(i => Draw(random)).Select((load, i) =>
            (load, Machine.Predict(load) * (i % 20 == 0 ? 0.3 : 1 + (0.05 * ((2 * random.NextDouble()) - 1)))))];
        var model = new StepTimeModel();
        for (int i = 0; i < 500; i++)
        {
            model.Observe(Draw(random), 1e-5);                   // what it learned before is gone
        }

        model.Fit([.. steps.OrderBy(s => s.Load.PrefillPairs)]);

        for (int i = 0; i < 200; i++)
        {
            StepLoad load = Draw(random);
            model.Predict(load).ShouldBe(Machine.Predict(load), Machine.Predict(load) * 0.06);
        }

        model.Observations.ShouldBe(400);
        var other = new StepTimeModel();
        other.Fit([.. steps.OrderByDescending(s => s.Load.PrefillPairs)]);
        foreach ((double a, double b) in model.Coefficients.ToArray().Zip(other.Coefficients.ToArray()))
        {
            a.ShouldBe(b, b * 1e-3);
        }
    }

    /// <summary>What one measurement took to be free may cost something in the next.</summary>
    [Fact]
    public void SetPrior_TermsThatCostNothing_AreLearnedAllTheSame()
    {
        var model = new StepTimeModel();
        var random = new Random(4);
        model.Fit([.. Enumerable.Range(1, 50).Select(i => (StepLoad.Decode(i, i), 5e-4 * i))]);
        model.Coefficients[0].ShouldBe(0, 1e-5);
        model.SetPrior(model.Coefficients);

        model.Fit([.. Enumerable.Range(0, 200)
            .Select(_ => StepLoad.Decode(random.Next(1, 65), random.Next(64_000)))
            .Select(load => (load, Machine.Predict(load)))]);

        StepLoad other = StepLoad.Decode(2, 2000);
        model.Predict(other).ShouldBe(Machine.Predict(other), Machine.Predict(other) * 0.1);
    }

    [Fact]
    public void Probe_RunnerWithAClock_FindsItsScale()
    {
        var clock = new ManualClock();
        var runner = new FakeRunner(numBlocks: 2048, blockSize: 16, maxTokens: 2048);
        runner.Observe = batch => clock.Advance(TimeSpan.FromSeconds(0.002 + (0.0003 * batch.NumTokens)));
        var engine = new LlmEngine(
            runner,
            null,
            new LlmEngineOptions { MaxModelLen = 1024, Scheduling = new() { Batching = BatchingMode.Adaptive } },
            clock);
        engine.Probe();
        engine.Batching.Model.Predict(StepLoad.Decode(16, 16 * 100)).ShouldBe(0.0068, 0.002);
        engine.Batching.Model.Predict(default(StepLoad).WithPrefill(128, 0)).ShouldBe(0.0404, 0.008);
        engine.Dispose();
    }

    /// <summary>A step of a large model is all that is run: what its rows cost is guessed.</summary>
    [Fact]
    public void Probe_SlowMachine_RunsOneStep()
    {
        var clock = new ManualClock();
        var runner = new FakeRunner(numBlocks: 64, blockSize: 16);
        runner.Observe = _ => clock.Advance(TimeSpan.FromSeconds(0.25));
        using LlmEngine engine = Adaptive(runner, clock, maxModelLen: 256, maxNumSeqs: 8);

        engine.Probe();

        runner.Runs.ShouldBe(1);
        engine.Batching.Model.Predict(StepLoad.Decode(1, 1)).ShouldBe(0.25, 0.025);
        engine.Batching.Model.Predict(default(StepLoad).WithPrefill(256, 0)).ShouldBe(256 * 0.25 / 12, 1);
    }

    /// <summary>Whatever the cache has room for: only steps that the engine could run, and not for long.</summary>
    [Theory]
    [InlineData(32, 512, 2048, 8)]
    [InlineData(1, 16, 8, 1)]
    [InlineData(2048, 16, 2048, 3)]
    public void Probe_AnyCache_StaysWithinIt(int numBlocks, int blockSize, int maxModelLen, int maxNumSeqs)
    {
        var clock = new ManualClock();
        var runner = new FakeRunner(numBlocks, blockSize);
        TimeSpan spent = TimeSpan.Zero;
        runner.Observe = batch =>
        {
            batch.NumSequences.ShouldBe(1);
            batch.NumTokens.ShouldBeInRange(1, maxModelLen);
            batch.SlotMapping(0).ToArray().ShouldAllBe(slot => slot < numBlocks * blockSize);
            clock.Advance(TimeSpan.FromMilliseconds(7));
            spent += TimeSpan.FromMilliseconds(7);
        };
        using LlmEngine engine = Adaptive(runner, clock, maxModelLen, maxNumSeqs);

        engine.Probe();

        spent.ShouldBeInRange(TimeSpan.FromMilliseconds(7), TimeSpan.FromMilliseconds(50));
        engine.Batching.Model.Coefficients.ToArray().ShouldAllBe(c => double.IsFinite(c) && c >= 0);
    }

    /// <summary>A guess that is far off is forgotten within the first requests.</summary>
    [Theory]
    [InlineData(0.3)]
    [InlineData(3)]
    public void Observe_FirstStepsAfterAWrongGuess_FindTheMachine(double off)
    {
        var model = new StepTimeModel();
        model.SetPrior([.. Machine.Coefficients.ToArray().Select(c => c * off)], guessed: true);
        var random = new Random(7);
        for (int i = 0; i < 30; i++)
        {
            StepLoad load = Draw(random);
            model.Observe(load, Machine.Predict(load) * (1 + (0.05 * ((2 * random.NextDouble()) - 1))));
        }

        for (int i = 0; i < 100; i++)
        {
            StepLoad load = Draw(random);
            model.Predict(load).ShouldBe(Machine.Predict(load), Machine.Predict(load) * 0.25);
        }
    }

    private static LlmEngine Adaptive(IModelRunner runner, TimeProvider clock, int maxModelLen, int maxNumSeqs) =>
        new(
            runner,
            null,
            new LlmEngineOptions
            {
                MaxModelLen = maxModelLen,
                Scheduling = new() { Batching = BatchingMode.Adaptive, MaxNumSeqs = maxNumSeqs },
            },
            clock);

    private static StepTimeModel Trained(out Random random)
    {
        var model = new StepTimeModel();
        random = new Random(2);
        for (int i = 0; i < 1000; i++)
        {
            StepLoad load = Draw(random);
            model.Observe(load, Machine.Predict(load));
        }

        return model;
    }

    private static StepLoad Draw(Random random)
    {
        int decode = random.Next(0, 65);
        StepLoad load = StepLoad.Decode(decode, decode * random.Next(1, 2000));
        return random.Next(2) == 0 && decode > 0 ? load : load.WithPrefill(random.Next(1, 400), random.Next(1000));
    }
}

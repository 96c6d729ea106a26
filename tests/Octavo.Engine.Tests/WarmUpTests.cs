using Octavo.Testing;

namespace Octavo.Engine.Tests;

public sealed class WarmUpTests
{
    [Fact]
    public void Run_SlowSteps_EndsWithTheOneThatPassesTheLimit()
    {
        var clock = new ManualClock();
        var runner = new FakeRunner(numBlocks: 64, blockSize: 16);
        runner.Observe = _ => clock.Advance(TimeSpan.FromMilliseconds(30));

        WarmUp.Run(runner, null, Options(maxModelLen: 64), clock);

        runner.Runs.ShouldBe(4);
        runner.Disposed.ShouldBeFalse();
    }

    [Theory]
    [InlineData(2, 1, 16)]
    [InlineData(8, 1, 16)]
    [InlineData(64, 4, 16)]
    public void Run_SmallCache_EndsAllTheSame(int maxModelLen, int numBlocks, int blockSize)
    {
        var clock = new ManualClock();
        var runner = new FakeRunner(numBlocks, blockSize);
        runner.Observe = _ => clock.Advance(TimeSpan.FromTicks(1));
        WarmUp.Run(runner, null, Options(maxModelLen), clock);
        runner.Runs.ShouldBe(maxModelLen <= 8 ? 0 : runner.Runs);
    }

    /// <summary>Users' hooks hear of users' requests, and those are drawn as if nothing had been before.</summary>
    [Fact]
    public void Run_BeforeAnEngine_ChangesNothingInIt()
    {
        int heard = 0;
        LlmEngineOptions options = Options(maxModelLen: 64) with
        {
            Sampling = new SamplingOptions { LogitsProcessors = [_ => { heard++; return null; }] },
        };
        var runner = new FakeRunner(numBlocks: 64, blockSize: 16);
        WarmUp.Run(runner, null, options, TimeProvider.System);
        heard.ShouldBe(0);
        runner.Runs.ShouldBePositive();

        int[] warm = Draw(runner);
        Draw(new FakeRunner(numBlocks: 64, blockSize: 16)).ShouldBe(warm);
    }

    private static int[] Draw(FakeRunner runner)
    {
        using var engine = new LlmEngine(runner, null, Options(maxModelLen: 64));
        List<int> tokens = [];
        engine.Add(
            new EngineRequest
            {
                Id = "one",
                PromptTokenIds = [1, 2, 3],
                Parameters = new SamplingParams { MaxTokens = 20, OutputKind = OutputKind.Delta },
            },
            output => tokens.AddRange(output.Outputs.SelectMany(o => o.TokenIds)));
        while (engine.Step())
        {
        }

        tokens.Count.ShouldBe(20);
        return [.. tokens];
    }

    private static LlmEngineOptions Options(int maxModelLen) => new()
    {
        MaxModelLen = maxModelLen,
        Scheduling = new() { Batching = BatchingMode.Fixed, MaxNumSeqs = 8 },
    };
}

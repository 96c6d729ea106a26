using Octavo.Engine;
using Octavo.Engine.Batching;
using Octavo.Lab.Simulation;

namespace Octavo.Lab.Tests.Simulation;

public sealed class StepTimesTests
{
    /// <summary>
    /// A small model: sampling costs more than a row of the layers, and what surrounds the model more than nothing.
    /// </summary>
    [Theory]
    [InlineData(2048)]
    [InlineData(512)]
    public void Measure_EngineWithAClock_FindsEachTerm(int maxModelLen)
    {
        var clock = new ManualClock();
        var runner = new FakeRunner(numBlocks: 2048, blockSize: 16, maxTokens: 2048);
        runner.Observe = batch => clock.Advance(TimeSpan.FromMicroseconds(
            100 + (10 * batch.NumTokens) + (15 * batch.LogitsRows.Length) + (0.1 * CachedTokens(batch))));
        using var engine = new LlmEngine(
            runner, null,
            new LlmEngineOptions { MaxModelLen = maxModelLen, Scheduling = new() { Batching = BatchingMode.Fixed } },
            clock);

        StepTimes times = StepTimes.Measure(engine, TimeSpan.FromSeconds(10), clock);

        times.Noise.ShouldBeLessThan(0.03);
        var model = StepTimeModel.Of([.. times.Coefficients]);
        foreach (int batch in new[] { 1, 10, 40, 128 })
        {
            double expected = (100 + (25 * batch) + (0.1 * batch * 500)) / 1e6;
            model.Predict(StepLoad.Decode(batch, batch * 500)).ShouldBe(expected, expected * 0.05);
        }

        foreach (int prompt in new[] { 20, 200, 1000 })
        {
            double expected = (100 + (10 * prompt) + 15) / 1e6;
            model.Predict(default(StepLoad).WithPrefill(prompt, 0)).ShouldBe(expected, expected * 0.05);
        }

        static long CachedTokens(StepBatch batch)
        {
            long sum = 0;
            for (int s = 0; s < batch.NumSequences; s++)
            {
                sum += batch.QueryStarts[s + 1] - batch.QueryStarts[s] == 1 ? batch.SequenceLengths[s] : 0;
            }

            return sum;
        }
    }

    [Fact]
    public void Measure_LimitReached_BeginsNoFurtherLoad()
    {
        var clock = new ManualClock();
        var runner = new FakeRunner(numBlocks: 2048, blockSize: 16, maxTokens: 2048);
        int longest = 0;
        runner.Observe = batch =>
        {
            longest = Math.Max(longest, batch.SequenceLengths[0]);
            clock.Advance(TimeSpan.FromSeconds(1));
        };
        using var engine =
            new LlmEngine(
                runner,
                null,
                new LlmEngineOptions { MaxModelLen = 2048, Scheduling = new() { Batching = BatchingMode.Fixed } },
                clock);

        StepTimes times = StepTimes.Measure(engine, TimeSpan.FromSeconds(30), clock);

        StepTimeModel.Of([.. times.Coefficients]).Predict(StepLoad.Decode(4, 100)).ShouldBe(1, 0.05);
        times.Noise.ShouldBeLessThan(0.05);
        clock.GetElapsedTime(0).TotalSeconds.ShouldBeInRange(30, 40);
        longest.ShouldBeLessThan(1000);
    }
}

using Octavo.Engine.Batching;
using Octavo.Engine.Scheduling;

namespace Octavo.Engine.Tests;

public sealed class AdaptiveBatchingTests
{
    private static readonly StepLimits Bounds = new(128, 2048);
    private static readonly StepTimeModel Machine = StepTimeModel
        .Of([0.003, 0.0001, 0.0002, 0.00025, 0.00008, 0.0009, 0.0004]);

    [Theory]
    [InlineData(50)]
    [InlineData(100)]
    [InlineData(200)]
    public void Decide_LongQueue_FillsTheTargetAndNoMore(int milliseconds)
    {
        AdaptiveBatching policy = Policy(milliseconds);
        StepLimits limits = policy.Decide(Busy(decoding: 20), Machine);
        double step = Machine.Predict(
            StepLoad.Decode(20, 20 * 400).WithPrefill(limits.MaxPrefillTokens, 0)) * policy.Margin;
        step.ShouldBeInRange(0.97 * milliseconds / 1000, milliseconds / 1000.0);
    }

    [Fact]
    public void Decide_HigherTarget_LargerBatches()
    {
        StepLimits tight = Policy(30).Decide(Busy(8), Machine);
        StepLimits loose = Policy(100).Decide(Busy(8), Machine);
        tight.MaxNumSeqs.ShouldBeLessThan(loose.MaxNumSeqs);
        tight.MaxPrefillTokens.ShouldBeLessThan(loose.MaxPrefillTokens);
        loose.MaxNumSeqs.ShouldBeLessThan(Bounds.MaxNumSeqs);
    }

    [Fact]
    public void Decide_ShortQueue_KeepsStepsShort()
    {
        BatchingSnapshot light = Busy(2) with { NumWaiting = 1, WaitingTokens = 200 };
        Policy(100).Decide(light, Machine).MaxPrefillTokens
            .ShouldBeLessThan(Policy(100).Decide(Busy(2), Machine).MaxPrefillTokens / 4 * 3);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    public void Decide_NobodyBetweenTokens_CutsNoPrompt(int milliseconds)
    {
        BatchingSnapshot alone = Busy(0) with { NumWaiting = 1, WaitingTokens = 2048 };
        Policy(milliseconds).Decide(alone, Machine).MaxPrefillTokens.ShouldBe(Bounds.MaxNumBatchedTokens);
        Policy(milliseconds).Decide(alone with { NumDecoding = 1, DecodeContext = 400 }, Machine).MaxPrefillTokens
            .ShouldBeLessThan(Bounds.MaxNumBatchedTokens / 4);
    }

    /// <summary>What a prompt's one long step missed says nothing of the steps that have a limit.</summary>
    [Fact]
    public void Observe_StepsThatHadNoLimit_LeaveTheMarginAlone()
    {
        AdaptiveBatching policy = Policy(100);
        double before = policy.Margin;
        policy.Decide(Busy(0), Machine);
        for (int i = 0; i < 100; i++)
        {
            policy.Observe(default(StepLoad).WithPrefill(2048, 0), 0.6, 1.2);
        }

        policy.Margin.ShouldBe(before);
    }

    /// <summary>One time between tokens in twenty may be long: who has had so many in time waits for a prompt.
    /// </summary>
    [Fact]
    public void Decide_LongInTime_ComputesAPromptAtOnceAndThenNoMore()
    {
        AdaptiveBatching policy = Policy(100);
        BatchingSnapshot light = Busy(1) with { NumWaiting = 1, WaitingTokens = 600 };
        policy.Decide(light, Machine).MaxPrefillTokens.ShouldBeLessThan(600);
        for (int i = 0; i < 23; i++)
        {
            policy.Observe(StepLoad.Decode(1, 400), 0.005, 0.005);
        }

        policy.Decide(light, Machine).MaxPrefillTokens.ShouldBeGreaterThanOrEqualTo(600);
        policy.Decide(light with { WaitingTokens = 2048 }, Machine).MaxPrefillTokens.ShouldBeLessThan(600);

        policy.Observe(StepLoad.Decode(1, 400).WithPrefill(600, 0), 0.15, 0.15);
        policy.Decide(light, Machine).MaxPrefillTokens.ShouldBeLessThan(600);
    }

    [Fact]
    public void Decide_CacheNearlyPromised_AdmitsNoMore()
    {
        BatchingSnapshot full = Busy(8) with { FreeTokens = 4000, ExpectedGrowth = 3900 };
        Policy(100).Decide(full, Machine).MaxNumSeqs.ShouldBe(8);
    }

    [Fact]
    public void Decide_CacheEmptyAndNobodyRuns_AdmitsOne()
    {
        BatchingSnapshot full = Busy(0) with { FreeTokens = 10 };
        Policy(100).Decide(full, Machine).MaxNumSeqs.ShouldBe(1);
    }

    [Fact]
    public void Decide_DecodesTakeTheWholeTarget_PromptsStillMove()
    {
        Policy(20).Decide(Busy(100), Machine).MaxPrefillTokens.ShouldBe(AdaptiveBatching.LeastPrefill);
    }

    [Fact]
    public void Decide_TargetBelowOneSequence_SaysSoAndServes()
    {
        AdaptiveBatching policy = Policy(2);
        StepLimits limits = policy.Decide(Busy(4), Machine);
        policy.Advice.ShouldNotBeNull().ShouldContain("cannot be met");
        limits.MaxNumSeqs.ShouldBeGreaterThan(1);
    }

    [Fact]
    public void Decide_FirstTokenTargetBelowOnePrompt_SaysSo()
    {
        var policy = new AdaptiveBatching(new BatchingTargets { FirstToken = TimeSpan.FromMilliseconds(10) });
        policy.Decide(Busy(4), Machine);
        policy.Advice.ShouldNotBeNull().ShouldContain("first-token");
    }

    [Fact]
    public void Observe_StepsSlowerThanPredicted_LeavesRoom()
    {
        AdaptiveBatching policy = Policy(100);
        int before = policy.Decide(Busy(20), Machine).MaxPrefillTokens;
        for (int i = 0; i < 100; i++)
        {
            policy.Observe(StepLoad.Decode(20, 8000), 0.09, i % 10 == 0 ? 0.18 : 0.09);
        }

        policy.Margin.ShouldBe(2);
        policy.Decide(Busy(20), Machine).MaxPrefillTokens.ShouldBeLessThan(before);
    }

    private static AdaptiveBatching Policy(int milliseconds) =>
        new(new BatchingTargets { InterToken = TimeSpan.FromMilliseconds(milliseconds) });

    private static BatchingSnapshot Busy(int decoding) => new()
    {
        Bounds = Bounds,
        NumDecoding = decoding,
        DecodeContext = decoding * 400,
        NumWaiting = 500,
        WaitingTokens = 500 * 200,
        FreeTokens = 1_000_000,
        ExpectedGrowth = decoding * 100,
        MeanPrompt = 200,
        MeanOutput = 150,
    };
}

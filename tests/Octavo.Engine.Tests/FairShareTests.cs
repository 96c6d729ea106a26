using Octavo.Engine.Admission;

namespace Octavo.Engine.Tests;

public sealed class FairShareTests
{
    [Fact]
    public void Enter_OneClient_OrderOfArrival()
    {
        var shares = new FairShare(new SchedulingOptions());
        double[] ranks = [.. Enumerable.Range(0, 50).Select(i => shares.Enter(null, 0, i * 0.01, 1))];
        ranks.ShouldBe(ranks.Order());
        ranks.Distinct().Count().ShouldBe(50);
    }

    [Fact]
    public void Enter_BehindAnothersBurst_GoesBeforeMostOfIt()
    {
        var shares = new FairShare(new SchedulingOptions());
        double[] burst = [.. Enumerable.Range(0, 100).Select(_ => shares.Enter("loud", 0, 0, 0.5))];
        double quiet = shares.Enter("quiet", 0, 2, 0.5);
        burst.Count(r => r < quiet).ShouldBe(4);     // those whose turn has come in these two seconds
    }

    [Fact]
    public void Enter_TwiceTheWeight_TwiceTheTurns()
    {
        var shares = new FairShare(
            new SchedulingOptions { ClientWeights = new Dictionary<string, double> { ["paid"] = 2 } });
        double[] paid = [.. Enumerable.Range(0, 40).Select(_ => shares.Enter("paid", 0, 0, 1))];
        double[] free = [.. Enumerable.Range(0, 40).Select(_ => shares.Enter("free", 0, 0, 1))];
        double tenth = free[10];
        paid.Count(r => r < tenth).ShouldBe(20);
    }

    [Fact]
    public void Enter_AfterHoursAlone_PaysNothingForThem()
    {
        var shares = new FairShare(new SchedulingOptions());
        for (int i = 0; i < 1000; i++)
        {
            shares.Enter("early", 0, i * 0.1, 1);     // asks for ten times the machine, and has one in flight
            shares.Leave("early");
        }

        shares.Enter("early", 0, 100, 1).ShouldBe(100);
    }

    [Fact]
    public void Enter_LowPriority_IsPassedOnlyByThoseWhoComeSoonAfter()
    {
        var shares = new FairShare(new SchedulingOptions());
        double patient = shares.Enter("a", 1, 0, 1);
        shares.Enter("b", 0, 29, 1).ShouldBeLessThan(patient);
        shares.Enter("c", 0, 31, 1).ShouldBeGreaterThan(patient);
    }
}

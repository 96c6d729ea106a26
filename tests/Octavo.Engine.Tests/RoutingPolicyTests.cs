using Octavo.Engine.Routing;

namespace Octavo.Engine.Tests;

public sealed class RoutingPolicyTests
{
    [Fact]
    public void Names_EachPolicy_IsMadeByItsName()
    {
        RoutingPolicies.Names.ShouldBe(["round-robin", "least-loaded", "prefix-aware"]);
        RoutingPolicies.Names.Select(name => RoutingPolicies.Make(name).Name).ShouldBe(RoutingPolicies.Names);
        Should.Throw<ArgumentException>(() => RoutingPolicies.Make("random")).Message.ShouldContain("least-loaded");
    }

    [Fact]
    public void Choose_RoundRobin_TakesEachInTurnWhateverTheirLoad()
    {
        var policy = new RoundRobinRouting();

        Enumerable.Range(0, 7).Select(i => policy.Choose(i, [100, 0, 50])).ShouldBe([0, 1, 2, 0, 1, 2, 0]);
    }

    [Fact]
    public void Choose_LeastLoaded_TakesTheFirstOfTheLeast()
    {
        var policy = new LeastLoadedRouting();

        policy.Choose(null, [5, 3, 3, 4]).ShouldBe(1);
        policy.Choose(7, [0, 3, 3, 4]).ShouldBe(0);
        policy.Choose(7, [9]).ShouldBe(0);
    }

    [Fact]
    public void Choose_PrefixAware_StaysWithTheHolderUntilItHasFarMoreToDo()
    {
        var policy = new PrefixAwareRouting();
        policy.Choose(7, [10, 0]).ShouldBe(1);
        policy.Choose(7, [0, 4000]).ShouldBe(1);

        policy.Choose(null, [0, 4000]).ShouldBe(0);
        policy.Choose(8, [0, 4000]).ShouldBe(0);
        policy.Choose(7, [0, 16384]).ShouldBe(1);          // 1.5 times the mean of 8192, and 4096
        policy.Choose(7, [0, 16386]).ShouldBe(0);
        policy.Choose(7, [4000, 0]).ShouldBe(0);           // which holds it now
    }
}

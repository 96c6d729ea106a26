using Octavo.Engine.Blocks;
using Octavo.Engine.Scheduling;
using Octavo.Engine.Sequences;

namespace Octavo.Engine.Tests;

/// <summary>When the prefix cache finds a block: prompts once they are scheduled, output once it is accepted.</summary>
public sealed class KvCacheManagerTests
{
    private static readonly StepLimits Limits = new(MaxNumSeqs: 8, MaxNumBatchedTokens: 64);

    private readonly BlockPool _pool = new(4, 2);
    private readonly KvCacheManager _cache;
    private readonly Scheduler<Sequence> _scheduler;

    public KvCacheManagerTests()
    {
        _cache = new KvCacheManager(_pool, CacheGroup.Everything, enablePrefixCaching: true, longestChunk: 64);
        _scheduler = new Scheduler<Sequence>(_cache);
    }

    [Fact]
    public void Schedule_PromptFillsBlock_IsFoundAtOnce()
    {
        Add("a", [1, 2, 3]);
        Sequence sibling = Add("b", [1, 2, 4]);
        _scheduler.Schedule(Limits).NumTokens.ShouldBe(4);
        sibling.NumCachedTokens.ShouldBe(2);
    }

    [Fact]
    public void Schedule_OutputFillsBlock_IsFoundOnceAccepted()
    {
        Sequence a = Add("a", [1]);
        _scheduler.Schedule(Limits);
        _scheduler.Accept(a);
        a.Append(2);
        _scheduler.Schedule(Limits);
        (a.NumScheduledTokens, a.NumAcceptedTokens).ShouldBe((2, 1));
        Finds([1, 2]).ShouldBeFalse();
        Should.Throw<InvalidOperationException>(_scheduler.CheckIntegrity);
        _scheduler.Accept(a);
        a.NumAcceptedTokens.ShouldBe(2);
        Finds([1, 2]).ShouldBeTrue();
        _scheduler.CheckIntegrity();
    }

    [Fact]
    public void TryAdmit_OutputAcceptedBeforePreemption_IsFoundAtOnce()
    {
        Sequence a = Add("a", [1]);
        _scheduler.Schedule(Limits);
        _scheduler.Accept(a);
        a.Append(2);
        _scheduler.Schedule(Limits);
        _scheduler.Accept(a);
        a.Append(3);
        _cache.Release(a);
        _pool.Release([.. Enumerable.Range(0, _pool.Count).Select(_ => _pool.Take())]);
        Finds([1, 2]).ShouldBeFalse("its block was overwritten");
        _cache.TryAdmit(a, _ => 3, keepWatermark: false).ShouldBeTrue();
        Finds([1, 2]).ShouldBeTrue();
    }

    private Sequence Add(string id, int[] prompt)
    {
        var sequence = new Sequence(id, prompt, 8, 0, _scheduler.NumWaiting, new PromptHashes(null));
        _scheduler.Add(sequence);
        return sequence;
    }

    private bool Finds(int[] block) => _pool.TryFind(new BlockKey(BlockHash.Root(null).Next(block), 0), out _);
}

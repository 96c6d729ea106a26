using Octavo.Engine.Blocks;
using Octavo.Engine.Sequences;

namespace Octavo.Engine.Tests;

public sealed class BlockPoolTests
{
    [Fact]
    public void Take_LeastRecentlyUsed_ComesFirstAndTailsBeforeHeads()
    {
        var pool = new BlockPool(4, 16);
        List<int> a = [pool.Take(), pool.Take()];
        List<int> b = [pool.Take(), pool.Take()];
        a.ShouldBe([0, 1]);
        pool.Release(b);
        pool.Release(a);
        pool.FreeCount.ShouldBe(4);
        new[] { pool.Take(), pool.Take(), pool.Take(), pool.Take() }.ShouldBe([3, 2, 1, 0]);
        Should.Throw<InvalidOperationException>(() => pool.Take());
    }

    [Fact]
    public void Release_PublishedBlock_StaysFindableUntilTakenAgain()
    {
        var pool = new BlockPool(2, 16);
        var hash = new BlockKey(BlockHash.Root(null).Next([1, 2, 3]), 0);
        List<int> blocks = [pool.Take()];
        pool.Publish(blocks[0], hash);
        pool.Release(blocks);
        pool.TryFind(hash, out int found).ShouldBeTrue();
        pool.Hold(found);
        pool.FreeCount.ShouldBe(1);
        pool.CheckIntegrity([[found]]);
        pool.Release([found]);
        pool.Take();
        pool.Take().ShouldBe(found);
        pool.TryFind(hash, out _).ShouldBeFalse();
    }

    [Fact]
    public void Publish_EqualContentTwice_KeepsTheFirst()
    {
        var pool = new BlockPool(2, 16);
        var hash = new BlockKey(BlockHash.Root(null).Next([1]), 0);
        (int first, int second) = (pool.Take(), pool.Take());
        pool.Publish(first, hash);
        pool.Publish(second, hash);
        pool.TryFind(hash, out int found).ShouldBeTrue();
        found.ShouldBe(first);
        pool.CheckIntegrity([[first], [second]]);
    }

    [Fact]
    public void CheckIntegrity_HolderUnknown_Throws()
    {
        var pool = new BlockPool(2, 16);
        int block = pool.Take();
        Should.Throw<InvalidOperationException>(() => pool.CheckIntegrity([]));
        pool.CheckIntegrity([[block]]);
        Should.Throw<InvalidOperationException>(() => pool.CheckIntegrity([[block], [block]]));
    }

    [Fact]
    public void Next_Chain_DependsOnEveryTokenBeforeAndOnTheSalt()
    {
        BlockHash a = BlockHash.Root(null).Next([1, 2]).Next([3, 4]);
        a.ShouldBe(BlockHash.Root(null).Next([1, 2]).Next([3, 4]));
        a.ShouldNotBe(BlockHash.Root(null).Next([1, 9]).Next([3, 4]));
        a.ShouldNotBe(BlockHash.Root(null).Next([3, 4]));
        a.ShouldNotBe(BlockHash.Root("salt").Next([1, 2]).Next([3, 4]));
    }
}

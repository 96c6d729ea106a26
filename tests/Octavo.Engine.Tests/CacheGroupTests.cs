using System.Globalization;
using Octavo.Engine.Blocks;
using Octavo.Engine.Sequences;
using Octavo.Models;

namespace Octavo.Engine.Tests;

/// <summary>
/// What layers of a window keep, and which prefixes can be had back where some keep less than others.
/// </summary>
public sealed class CacheGroupTests
{
    private static readonly CacheGroup[] FullAndWindow = [new(null, [0]), new(128, [1])];

    [Theory]
    [InlineData("F F F F", "F4")]
    [InlineData("W W W", "W3")]
    [InlineData("F W F W", "F2 W2")]
    [InlineData("W W W W W F", "F1 W1 W1 W1 W1 W1")]
    [InlineData("W V F W V F", "F2 V2 W2")]
    [InlineData("F F V F F V F F", "F2 F2 F2 V2")]
    public void Of_Layers_TakesBlocksOfOneSizeWithLittleUnused(string layers, string expected)
    {
        AttentionSpec[] specs = [.. layers.Split(' ').Select(l => Attention(l == "F" ? null : l == "W" ? 64 : 32))];
        IReadOnlyList<CacheGroup> groups = CacheGroup.Of(specs);
        groups.Select(g => (g.Window is null ? "F" : g.Window == 64 ? "W" : "V") + g.Layers.Count)
            .ShouldBe(expected.Split(' '));
        groups.SelectMany(g => g.Layers).Order().ShouldBe(Enumerable.Range(0, specs.Length));
        groups.ShouldAllBe(g => g.Layers.All(l => specs[l].Window == g.Window));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(500)]
    public void Step_LongPrompt_HoldsNoMoreThanWindowAndChunk(int chunk)
    {
        const int BlockSize = 16;
        using var engine = new EngineHarness(
            numBlocks: 400, BlockSize, maxModelLen: 4200, maxSeqs: 1, maxTokens: chunk, groups: FullAndWindow);
        int held = 0;
        int needed = (128 + chunk + (2 * BlockSize) - 3) / BlockSize * BlockSize;
        engine.Runner.Observe = batch =>
            held = Math.Max(held, batch.BlockTable(0, 1).ToArray().Count(b => b != BlockTable.None) * BlockSize);
        int[] prompt = [.. Enumerable.Range(0, 4096).Select(i => i % 60)];
        engine.Add("long", prompt, new SamplingParams { MaxTokens = 40, Temperature = 0, IgnoreEos = true });
        engine.RunToEnd();
        held.ShouldBeInRange(chunk, needed);
        if (chunk % BlockSize == 0)
        {
            held.ShouldBe(128 + chunk, "chunks and windows of whole blocks");
        }

        engine.Final("long").Outputs[0].TokenIds.ShouldBe(EngineHarness.Expected(prompt, 40));
        engine.Engine.TryResetPrefixCache().ShouldBeTrue("no block has leaked");
    }

    [Fact]
    public void TryAdmit_WindowsBlocksAreThere_FindsThePrefixWithoutThoseBefore()
    {
        using var engine = new EngineHarness(
            numBlocks: 100, blockSize: 4, maxModelLen: 64, maxTokens: 64, groups: [new(null, [0]), new(6, [1])]);
        int[] prompt = [.. Enumerable.Range(0, 40)];
        Cached("first", prompt).ShouldBe(0);
        Cached("longer", [.. prompt, 1, 2, 3]).ShouldBe(40);
        Cached("part", [.. prompt[..21], 50, 51]).ShouldBe(20);
        Cached("all", prompt).ShouldBe(36, "the last token is computed");

        int Cached(string id, int[] ids)
        {
            engine.Add(id, ids, new SamplingParams { MaxTokens = 1, Temperature = 0 });
            engine.RunToEnd();
            return engine.Final(id).NumCachedTokens;
        }
    }

    // Blocks of 4 tokens and a window of 6: the last token of a block and the first of the next one see one or two.
    [Theory]
    [InlineData("0 1 2 3 4 5 6 7", "6 7", 8)]
    [InlineData("0 1 2 3 4 5 6 7", "5 6", 7)]
    [InlineData("0 1 2 3 4 5 6 7", "0 1 2 4 6 7", 8)]
    [InlineData("0 1 2 3 4 5", "6 7", 0)]
    [InlineData("0 1 2 3 4 5", "0 1 2 6 7", 3)]
    [InlineData("0 1 2 3 4 5 6 7", "0 2 4 6", 1)]
    [InlineData("0 1 2 3 4 5 6 7", "", 0)]
    [InlineData("1 2 3 4 5 6 7", "0 1 2 3 4 5 6 7", 0)]
    public void TryAdmit_PartsAreOverwritten_FindsTheMostThatEveryGroupCanGive(string full, string window, int hit)
    {
        var pool = new BlockPool(40, 4);
        var cache = new KvCacheManager(
            pool, [new(null, [0]), new(6, [1])], enablePrefixCaching: true, longestChunk: 64);
        var sequence = new Sequence("s", [.. Enumerable.Range(0, 33)], 8, 0, 0, new PromptHashes(null));
        sequence.HashBlocks(8, 4);
        Publish(full, group: 0);
        Publish(window, group: 1);
        cache.TryAdmit(sequence, s => s.NumTokens - s.NumScheduledTokens, keepWatermark: false).ShouldBeTrue();
        sequence.NumScheduledTokens.ShouldBe(hit * 4);
        sequence.Tables[1].Blocks.Count(b => b == BlockTable.None).ShouldBe(Math.Max(0, hit - 2));
        pool.CheckIntegrity(sequence.Tables.Select(t => t.Blocks));

        void Publish(string blocks, int group)
        {
            foreach (string number in blocks.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                int block = pool.Take();
                pool.Publish(
                    block,
                    new BlockKey(sequence.Hashes[int.Parse(number, CultureInfo.InvariantCulture)], group));
                pool.Release(block);
            }
        }
    }

    [Fact]
    public void LongestIn_Blocks_IsTheLastLengthThatFits()
    {
        for (int blocks = 0; blocks < 40; blocks++)
        {
            int longest = FullAndWindow.LongestIn(blocks, 16, 1000, 64);
            FullAndWindow.MostBlocks(longest, 16, 64).ShouldBeLessThanOrEqualTo(blocks);
            if (longest < 1000)
            {
                FullAndWindow.MostBlocks(longest + 1, 16, 64).ShouldBeGreaterThan(blocks);
            }
        }
    }

    private static AttentionSpec Attention(int? window)
    {
        var tensors = new LinearTensors("w", null);
        return new AttentionSpec
        {
            Width = 8,
            NumHeads = 2,
            NumKvHeads = 1,
            HeadDim = 4,
            Window = window,
            Query = tensors,
            Key = tensors,
            Value = tensors,
            Output = tensors,
        };
    }
}

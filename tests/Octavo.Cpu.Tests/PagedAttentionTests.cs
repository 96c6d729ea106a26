using Octavo.Cpu.Attention;
using Octavo.Cpu.Cache;
using Octavo.Cpu.Threading;
using Octavo.Engine;
using Octavo.Models;

namespace Octavo.Cpu.Tests;

/// <summary>Whole steps of long contexts: how many threads share them, and with whom, changes no bit.</summary>
public sealed unsafe class PagedAttentionTests
{
    private const int HeadDim = 32;
    private const int KvHeads = 2;
    private const int Heads = 6;
    private const int BlockSize = 16;

    // Context before, tokens of the step: one long enough for several ranges, a prompt's chunk, and short ones.
    private static readonly (int Before, int Tokens)[] Sequences = [(2700, 1), (0, 1), (1020, 21), (511, 1), (130, 3)];

    [Theory]
    [InlineData(KvCacheFormat.Float32)]
    [InlineData(KvCacheFormat.BFloat16)]
    [InlineData(KvCacheFormat.Int8)]
    [InlineData(KvCacheFormat.Fp8)]
    public void Run_AnyTeamAndCompany_GivesTheSameBits(KvCacheFormat format)
    {
        var plain = new AttentionRule { Scale = 1 / MathF.Sqrt(HeadDim) };
        foreach (AttentionRule rule
            in new[] { plain, plain with { Window = 600, SoftCap = 20f }, plain with { Alibi = true } })
        {
            using var cache = new KvCache(
                [AttentionCase.Spec(HeadDim, KvHeads, Heads / KvHeads)], format, Sequences.Sum(s => Blocks(s)),
                BlockSize);
            Fill(cache);
            float[][] together = Outputs(rule, cache, 1, [.. Enumerable.Range(0, Sequences.Length)]);
            foreach (int threads in new[] { 2, 3, 5 })
            {
                AssertSame(
                    together, Outputs(rule, cache, threads, [.. Enumerable.Range(0, Sequences.Length)]),
                    $"{format}, {threads} threads");
            }

            for (int s = 0; s < Sequences.Length; s++)
            {
                AssertSame([together[s]], Outputs(rule, cache, 3, [s]), $"{format}, sequence {s} alone");
            }
        }
    }

    [Fact]
    public void Slope_AnyNumberOfHeads_IsThePublishedOne()
    {
        Enumerable.Range(0, 8)
            .Select(h => AlibiPositions.Slope(h, 8))
            .ShouldBe([0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625]);
        AlibiPositions.Slope(8, 12).ShouldBe(Math.Pow(2, -0.5), 1e-12);
        AlibiPositions.Slope(9, 12).ShouldBe(Math.Pow(2, -1.5), 1e-12);
    }

    [Fact]
    public void BytesPerBlock_Int8_IsAByteAnElementAndTwoScales()
    {
        long bytes = KvCache.BytesPerBlock([AttentionCase.Spec(64, 8, 4)], KvCacheFormat.Int8, 16);
        bytes.ShouldBe(16 * 8 * ((2 * 64) + (2 * sizeof(float))));
    }

    private static int Blocks((int Before, int Tokens) sequence) =>
        (sequence.Before + sequence.Tokens + BlockSize - 1) / BlockSize;

    private static void Fill(KvCache cache)
    {
        var random = new Random(5);
        float[] row = new float[KvHeads * HeadDim];
        for (int slot = 0; slot < cache.NumBlocks * BlockSize; slot++)
        {
            for (int i = 0; i < row.Length; i++)
            {
                row[i] = (float)((random.NextDouble() * 4) - 2);
            }

            fixed (float* p = row)
            {
                cache.Write(0, slot, p, p);
            }
        }
    }

    /// <summary>Outputs of some of the sequences, computed in one step.</summary>
    private static float[][] Outputs(AttentionRule rule, KvCache cache, int threads, int[] which)
    {
        var batch = new StepBatch(BlockSize);
        var queries = new List<float>();
        foreach (int s in which)
        {
            int firstBlock = Sequences[..s].Sum(Blocks);
            int[] table = [.. Enumerable.Range(firstBlock, Blocks(Sequences[s])).Reverse()];
            batch.AddSequence(new int[Sequences[s].Tokens], Sequences[s].Before, table, 1);
            var random = new Random(s);
            queries.AddRange(Enumerable.Range(0, Sequences[s].Tokens * Heads * HeadDim)
                .Select(_ => (float)((random.NextDouble() * 2) - 1)));
        }

        using var team = new ThreadTeam(threads);
        using var attention = new PagedAttention(
            AttentionCase.Spec(HeadDim, KvHeads, Heads / KvHeads), cache, ProcessorFeatures.Selected, threads, 4096,
            64);
        using GuardedMemory query = GuardedMemory.OfFloats([.. queries]);
        using var output = new GuardedMemory(queries.Count * sizeof(float));
        attention.Prepare(batch);
        for (int layer = 0; layer < 2; layer++)
        {
            // Twice, as layers follow each other: what the first leaves behind must not disturb the second.
            team.Run(new Work(attention, rule, batch, query.Floats, output.Floats));
        }

        var all = new ReadOnlySpan<float>(output.Floats, queries.Count);
        var results = new float[which.Length][];
        for (int i = 0, at = 0; i < which.Length; i++)
        {
            int length = Sequences[which[i]].Tokens * Heads * HeadDim;
            results[i] = all.Slice(at, length).ToArray();
            at += length;
        }

        return results;
    }

    private static void AssertSame(float[][] expected, float[][] actual, string what)
    {
        for (int s = 0; s < expected.Length; s++)
        {
            expected[s].ShouldAllBe(x => float.IsFinite(x), what);
            actual[s].Select(BitConverter.SingleToInt32Bits)
                .ShouldBe(expected[s].Select(BitConverter.SingleToInt32Bits), what);
        }
    }

    private sealed class Work(
        PagedAttention attention, AttentionRule rule, StepBatch batch, float* query, float* output) : ITeamWork
    {
        private readonly float* _query = query;
        private readonly float* _output = output;

        public void Run(TeamMember member) => attention.Run(member, 0, rule, batch, _query, Heads * HeadDim, _output);
    }
}

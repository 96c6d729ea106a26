using Octavo.Engine.Sampling;

namespace Octavo.Engine.Tests;

/// <summary>The passes over rows, beside plain loops that do the same operations in the same order.</summary>
public sealed class RowKernelsTests
{
    [Fact]
    public void Weigh_AnyLogit_HasTheBitsOfPlainArithmetic()
    {
        Softmax softmax = Softmax.Of(4.25f, 0.7f);
        float[] logits = [.. Row(4096).Select(x => Math.Min(x * 12, 4.25f)), float.NegativeInfinity, 4.25f, -1e30f];
        var padded = new float[RowKernels.Padded(logits.Length)];
        logits.CopyTo(padded, 0);
        var weights = new float[padded.Length];

        RowKernels.Weigh(padded, logits.Length, softmax, weights);

        for (int i = 0; i < logits.Length; i++)
        {
            weights[i].ShouldBe(Plain(logits[i], softmax));
            double z = (logits[i] - 4.25) / 0.7;
            ((double)weights[i]).ShouldBe(Math.Exp(z), (Math.Exp(z) * 1.5e-7 * (2 - Math.Max(z, -90))) + 1e-40);
        }

        weights[logits.Length - 3].ShouldBe(0);
        weights[logits.Length - 2].ShouldBe(1);
    }

    [Fact]
    public void Sum_Block_AddsSixtyFourLanesInAFixedOrder()
    {
        Softmax softmax = Softmax.Of(5, 1.3f);
        float[] block = Row(RowBlocks.Size);
        const float least = -0.5f;
        var lanes = new float[64];
        for (int i = 0; i < block.Length; i++)
        {
            lanes[i % 64] += block[i] >= least ? Plain(block[i], softmax) : 0;
        }

        float[] sixteen = [.. Enumerable.Range(0, 16)
            .Select(i => lanes[i] + lanes[i + 16] + (lanes[i + 32] + lanes[i + 48]))];
        double[] eight = [.. Enumerable.Range(0, 8).Select(i => (double)(sixteen[i] + sixteen[i + 8]))];
        double[] four = [.. Enumerable.Range(0, 4).Select(i => eight[i] + eight[i + 4])];

        RowKernels.Sum(block, softmax, least).ShouldBe(four[0] + four[1] + (four[2] + four[3]));
        (double all, double above) = RowKernels.Sums(block, softmax, -1, least);
        all.ShouldBe(block.Where(x => x >= -1).Sum(x => Math.Exp((x - 5) / 1.3)), all * 1e-6);
        above.ShouldBe(block.Where(x => x >= least).Sum(x => Math.Exp((x - 5) / 1.3)), above * 1e-6);
    }

    [Fact]
    public void Max_Block_FindsTheGreatestOfEachLaneAndNaN()
    {
        float[] block = Row(RowBlocks.Size);
        var groups = new float[16];
        bool hasNaN = false;

        RowKernels.Max(block, groups, ref hasNaN).ShouldBe(block.Max());

        hasNaN.ShouldBeFalse();
        groups.ShouldBe(Enumerable.Range(0, 16).Select(lane => block.Where((_, i) => i % 16 == lane).Max()));
        foreach (float odd in new[] { float.NaN, -float.NaN })
        {
            block[777] = odd;
            RowKernels.Max(block, groups, ref hasNaN).ShouldBe(block.Where(x => !float.IsNaN(x)).Max());
            hasNaN.ShouldBeTrue();
            hasNaN = false;
        }
    }

    [Theory]
    [InlineData(0.02)]
    [InlineData(0.5)]
    [InlineData(1.0)]
    public void Collect_AnyDensity_TakesWhatLiesBetween(double share)
    {
        float[] block = Row(RowBlocks.Size);
        float least = block.OrderDescending().ElementAt((int)(share * (RowBlocks.Size - 1)));
        const float below = 2.5f;
        var list = new TokenList();

        RowKernels.Collect(block, 5000, least, below, list);
        RowKernels.Collect(block, 6024, least, below, list);

        int[] inside = [.. Enumerable.Range(0, block.Length).Where(i => block[i] >= least && block[i] < below)];
        list.Ids.ToArray().ShouldBe([.. inside.Select(i => i + 5000), .. inside.Select(i => i + 6024)]);
        list.Logits.ToArray().ShouldBe(list.Ids.ToArray().Select(id => block[(id - 5000) % 1024]));
        RowKernels.CountAtLeast(block, least).ShouldBe(block.Count(x => x >= least));
    }

    [Fact]
    public void Take_TiesBeyondTheLimit_AreLeftOut()
    {
        float[] row = [.. Row(3000).Select(x => MathF.Round(x * 2))];
        var blocks = new RowBlocks(row, new float[RowBlocks.Size]);
        var scan = new RowScan(row.Length);
        scan.Run(blocks);
        var list = new TokenList();

        scan.Take(blocks, least: 1, ties: 300, list);

        IEnumerable<int> ties = Enumerable.Range(0, row.Length).Where(i => row[i] == 1);
        ties.Count().ShouldBeGreaterThan(300);
        list.Ids.ToArray().ShouldBe(
            Enumerable.Range(0, row.Length).Where(i => row[i] > 1).Concat(ties.Take(300)).Order());
        scan.Max.ShouldBe(row.Max());
        row[scan.IndexOfMax(blocks)].ShouldBe(row.Max());
        scan.CountAtLeast(blocks, 1).ShouldBe(row.Count(x => x >= 1));
        RowKernels.CountEqual(row.AsSpan(0, 1024), 1).ShouldBe(row.Take(1024).Count(x => x == 1));
    }

    // Equal rows give equal tokens on every instruction set: the runs of CI on others must find the same.
    [Fact]
    public void Sample_ManyRowsAndMixes_DrawsWhatEveryProcessorDraws()
    {
        const int vocabulary = 40_000;
        var sampler = new Sampler(vocabulary);
        SamplingParams[] mixes =
        [
            new(), new() { TopP = 0.9f }, new() { TopP = 0.6f, Temperature = 0.5f }, new() { TopK = 50 },
            new() { TopK = 3000, TopP = 0.95f }, new() { MinP = 0.1f }, new() { MinP = 0.01f, TopP = 0.8f },
            new() { Temperature = 0 },
        ];
        List<int> drawn = [];
        for (int i = 0; i < 6; i++)
        {
            float[] row = [.. Row(vocabulary, i + 1).Select(x => x * ((i % 3) + 1))];
            foreach (SamplingParams p in mixes)
            {
                var state = new SamplingState(new SamplingRules(p, [], [], null), drawn.Count, 0, []);
                drawn.Add(sampler.Sample(state, [], row, [], 0, out _));
            }
        }

        drawn.ShouldBe(
        [
            16087, 35574, 17983, 31807, 5685, 30391, 9903, 31121, 20229, 33577, 39407, 36098, 50, 18610, 4063, 22188,
            14660, 17809, 22691, 24285, 30456, 21872, 33134, 23945, 32222, 7758, 18756, 14440, 10768, 34906, 9659,
            28608, 26761, 30262, 22802, 5126, 466, 11052, 37598, 19170, 36923, 1508, 33638, 4217, 29010, 37978,
            13251, 33638,
        ]);
    }

    private static float Plain(float x, Softmax softmax)
    {
        if (!(x >= softmax.Least))
        {
            return 0;
        }

        float y = (x - softmax.Max) * softmax.Scale;
        float n = MathF.Round(y);
        float f = y - n;
        float p = (f * 0.0013264727f) + 0.009671513f;
        p = (p * f) + 0.055507337f;
        p = (p * f) + 0.24022242f;
        p = (p * f) + 0.69314698f;
        p = (p * f) + 1;
        return MathF.ScaleB(p, (int)n);
    }

    // Sums of twelve numbers are nearly normal, and have the same bits everywhere.
    private static float[] Row(int length, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length)
            .Select(_ => (float)(Enumerable.Range(0, 12).Sum(_ => random.NextDouble()) - 6))];
    }
}

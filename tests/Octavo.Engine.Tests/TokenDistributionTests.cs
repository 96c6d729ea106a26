using Octavo.Engine.Sampling;

namespace Octavo.Engine.Tests;

/// <summary>What tokens are drawn from, beside a reference in float64 that sorts the whole row.</summary>
public sealed class TokenDistributionTests
{
    private const double Tolerance = 1e-6;

    public enum RowKind
    {
        /// <summary>Normal, narrow: thousands of tokens are much alike.</summary>
        Flat,

        /// <summary>Normal, as wide as a temperature.</summary>
        Normal,

        /// <summary>Normal, wide.</summary>
        Wide,

        /// <summary>A few tokens stand out.</summary>
        Peaked,

        /// <summary>Whole numbers: many ties.</summary>
        Ties,

        /// <summary>All alike.</summary>
        Equal,

        /// <summary>Every other one is −∞.</summary>
        Holes,

        /// <summary>The likeliest come first.</summary>
        Descending,

        /// <summary>One stands out of what is nearly equal.</summary>
        Lonely,
    }

    [Theory]
    [CombinatorialRows(1, 2, 17, 1000, 1025, 4096)]
    public void Distribution_ShortRows_EqualsTheSortedReference(RowKind kind, int length) =>
        Check(kind, length, [0, 1, 20, 700], [1, 0.9f, 0.3f, 0.999f], [0, 0.05f, 0.9f, 1], [1, 0.01f, 0.6f, 3]);

    [Theory]
    [CombinatorialRows(9000, 20_011)]
    public void Distribution_LongRows_EqualsTheSortedReference(RowKind kind, int length) =>
        Check(kind, length, [0, 20, 1000, 6000], [1, 0.9f, 0.2f, 0.999f], [0, 0.05f, 1], [1, 0.7f]);

    [Theory]
    [CombinatorialRows(128_256)]
    public void Distribution_LargestRows_EqualsTheSortedReference(RowKind kind, int length) =>
        Check(kind, length, [0, 50, 5000], [1, 0.9f], [0, 0.02f], [1]);

    [Fact]
    public void Distribution_RestrictionsAndPenalties_EqualsTheSortedReference()
    {
        const int vocabulary = 9000;
        float[] row = MakeRow(RowKind.Normal, vocabulary, 7);
        var parameters = new SamplingParams
        {
            TopP = 0.8f,
            TopK = 300,
            MinP = 0.001f,
            RepetitionPenalty = 1.3f,
            FrequencyPenalty = 0.2f,
            PresencePenalty = 0.7f,
            MinTokens = 5,
            StopTokenIds = [3, 4],
            AllowedTokenIds = [.. Enumerable.Range(0, vocabulary).Where(i => i % 3 != 0), 4, 7, 7],
            LogitBias = new Dictionary<int, float> { [10] = 6, [11] = -100, [7] = 2.5f },
        };
        SamplingState state = State(parameters, [1, 2, 7, 7, 900]);
        foreach (int token in new[] { 5, 5, 7, 8, 8, 8 })
        {
            state.Observe(token);
        }

        float[] expected = (float[])row.Clone();
        foreach (int token in new[] { 1, 2, 7, 900, 5, 8 })
        {
            expected[token] += parameters.LogitBias.GetValueOrDefault(token);
            expected[token] = expected[token] > 0 ? expected[token] / 1.3f : expected[token] * 1.3f;
        }

        (expected[10], expected[11]) = (expected[10] + 6, expected[11] - 100);
        (expected[5], expected[7], expected[8]) = (expected[5] - 1.1f, expected[7] - 0.9f, expected[8] - 1.3f);
        (expected[3], expected[4]) = (float.NegativeInfinity, float.NegativeInfinity);
        for (int i = 0; i < vocabulary; i++)
        {
            expected[i] = parameters.AllowedTokenIds.Contains(i) ? expected[i] : float.NegativeInfinity;
        }

        float[] changed = (float[])row.Clone();
        IReadOnlyList<(int Token, float Weight)> kept =
            new Sampler(vocabulary).Distribution(state, [5, 5], changed, position: 0);

        Distance(kept, Reference(expected, parameters)).ShouldBeLessThan(Tolerance);
        changed.ShouldBe(row);
    }

    [Fact]
    public void Distribution_TiesAtTopKAndTopP_GoToTheLowerId()
    {
        var sampler = new Sampler(30_000);
        float[] row = new float[30_000];
        row[20_000] = 1;
        Kept(new SamplingParams { TopK = 4 }).ShouldBe([0, 1, 2, 20_000]);
        Kept(new SamplingParams { TopP = 1000 / 30_001.7f })
            .ShouldBe([.. Enumerable.Range(0, 998), 20_000]);
        Kept(new SamplingParams { TopK = 9000 }).ShouldBe([.. Enumerable.Range(0, 8999), 20_000]);

        int[] Kept(SamplingParams p) =>
            [.. sampler.Distribution(State(p), [], row, 0).Select(k => k.Token)];
    }

    [Theory]
    [InlineData(RowKind.Normal)]
    [InlineData(RowKind.Peaked)]
    [InlineData(RowKind.Ties)]
    public void Sample_ManyDraws_FollowWhatIsKept(RowKind kind)
    {
        const int vocabulary = 20_000, draws = 4000;
        float[] row = MakeRow(kind, vocabulary, 3);
        var sampler = new Sampler(vocabulary);
        foreach (SamplingParams p in new[]
        {
            new SamplingParams(), new SamplingParams { TopP = 0.9f }, new SamplingParams { TopK = 5000, TopP = 0.5f },
            new SamplingParams { TopK = 40 }, new SamplingParams { MinP = 0.1f },
        })
        {
            IReadOnlyList<(int Token, float Weight)> kept = sampler.Distribution(State(p), [], row, 0);
            double whole = kept.Sum(k => (double)k.Weight);
            Dictionary<int, int> parts = [];               // token -> which twentieth of the whole it lies in
            double passed = 0;
            var expected = new double[20];
            foreach ((int token, float weight) in kept)
            {
                parts[token] = Math.Min(19, (int)(passed / whole * 20));
                expected[parts[token]] += weight / whole;
                passed += weight;
            }

            var counts = new int[20];
            for (int i = 0; i < draws; i++)
            {
                counts[parts[sampler.Sample(State(p with { Seed = i }), [], row, [], 0, out _)]]++;
            }

            for (int part = 0; part < 20; part++)
            {
                double share = expected[part];
                ((double)counts[part] / draws).ShouldBe(share, 5 * Math.Sqrt((share * (1 - share) / draws) + 1e-9));
            }
        }
    }

    private static void Check(
        RowKind kind, int length, int[] topKs, float[] topPs, float[] minPs, float[] temperatures)
    {
        var sampler = new Sampler(length);
        float[] row = MakeRow(kind, length, length);
        foreach (float temperature in temperatures)
        {
            Sorted sorted = Sort(row, temperature);
            foreach ((int topK, float topP, float minP) in
                from k in topKs from p in topPs from m in minPs select (k, p, m))
            {
                var parameters = new SamplingParams
                {
                    Temperature = temperature,
                    TopK = topK,
                    TopP = topP,
                    MinP = minP,
                };
                IReadOnlyList<(int Token, float Weight)> kept =
                    sampler.Distribution(State(parameters), [], row, position: 0);
                kept.ShouldNotBeEmpty();
                kept.Select(k => k.Token).ShouldBeInOrder();

                // A token may fall either way where the reference is within 1e-6 of a boundary.
                double distance = double.PositiveInfinity;
                double[] shifts = [0, -Tolerance, Tolerance];
                foreach ((double p, double m) in from p in shifts from m in shifts select (p, m))
                {
                    distance = Math.Min(distance, Distance(kept, Reference(sorted, parameters, p, m)));
                    if (distance < Tolerance)
                    {
                        break;
                    }
                }

                distance.ShouldBeLessThan(Tolerance, $"{kind} of {length}, {temperature}, {topK}, {topP}, {minP}");
            }
        }
    }

    private static double Distance(IReadOnlyList<(int Token, float Weight)> kept, Dictionary<int, double> reference)
    {
        double whole = kept.Sum(k => (double)k.Weight);
        double sum = reference.Sum(r => r.Value);
        foreach ((int token, float weight) in kept)
        {
            double expected = reference.GetValueOrDefault(token);
            sum += Math.Abs((weight / whole) - expected) - expected;
        }

        return sum / 2;
    }

    private static Dictionary<int, double> Reference(float[] row, SamplingParams p) =>
        Reference(Sort(row, p.Temperature), p, 0, 0);

    // Min-p, top-k, top-p, over tokens by weight and then by id; written plainly.
    private static Dictionary<int, double> Reference(Sorted sorted, SamplingParams p, double shiftP, double shiftM)
    {
        double[] weights = sorted.Weights;
        int count = weights.Length;
        double least = p.MinP * (1 + shiftM);
        while (count > 1 && weights[count - 1] < least)
        {
            count--;
        }

        count = p.TopK > 0 ? Math.Min(count, p.TopK) : count;
        if (p.TopP < 1)
        {
            double target = (p.TopP + shiftP) * weights.Take(count).Sum();
            double passed = 0;
            int n = 0;
            while (n < count && passed < target)
            {
                passed += weights[n++];
            }

            count = n;
        }

        double whole = weights.Take(count).Sum();
        return Enumerable.Range(0, count).ToDictionary(i => sorted.Ids[i], i => weights[i] / whole);
    }

    private static Sorted Sort(float[] row, float temperature)
    {
        double max = row.Max();
        int[] ids = [.. Enumerable.Range(0, row.Length).OrderByDescending(i => row[i])];    // stable: ties by id
        return new Sorted(ids, [.. ids.Select(i => Math.Exp((row[i] - max) / temperature))]);
    }

    private static float[] MakeRow(RowKind kind, int length, int seed)
    {
        var random = new Random(seed);
        float[] row = [.. Enumerable.Range(0, length).Select(_ =>
            (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())))];
        for (int i = 0; i < length; i++)
        {
            row[i] = kind switch
            {
                RowKind.Flat => row[i] / 100,
                RowKind.Normal => row[i],
                RowKind.Wide => row[i] * 4,
                RowKind.Peaked => i % Math.Max(length / 20, 1) == 3 ? 12 + row[i] : row[i],
                RowKind.Ties => MathF.Round(row[i] * 2),
                RowKind.Equal => -3,
                RowKind.Holes => i % 2 == 0 ? row[i] : float.NegativeInfinity,
                RowKind.Descending => -10f * i / length,
                RowKind.Lonely => i == length / 2 ? 9 : row[i] / 1000,
                _ => throw new ArgumentOutOfRangeException(nameof(kind)),
            };
        }

        return row;
    }

    private static SamplingState State(SamplingParams p, int[]? prompt = null) =>
        new(new SamplingRules(p, prompt ?? [], [], null), p.Seed ?? 0, 0, []);

    private sealed record Sorted(int[] Ids, double[] Weights);

    private sealed class CombinatorialRowsAttribute(params int[] lengths) : Xunit.v3.DataAttribute
    {
        public override ValueTask<IReadOnlyCollection<ITheoryDataRow>> GetData(
            System.Reflection.MethodInfo testMethod, Xunit.Sdk.DisposalTracker disposalTracker) =>
            new([.. from kind in Enum.GetValues<RowKind>() from length in lengths
                select new TheoryDataRow(kind, length)]);

        public override bool SupportsDiscoveryEnumeration() => true;
    }
}

using Octavo.Engine.Sampling;

namespace Octavo.Engine.Tests;

public sealed class SamplerTests
{
    // The known answers that come with Random123 (kat_vectors), by the generator's authors.
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(
        0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0x408f276du, 0x41c83b0eu,
        0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(
        0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u, 0xd16cfe09u, 0x94fdccebu,
        0x5001e420u, 0x24126ea1u)]
    public void Block_KnownAnswers_Match(
        uint c0, uint c1, uint c2, uint c3, uint k0, uint k1, uint r0, uint r1, uint r2, uint r3) =>
        Philox.Block((c0, c1, c2, c3), (k0, k1)).ShouldBe((r0, r1, r2, r3));

    [Fact]
    public void Uniform_ManyDraws_AreUniform()
    {
        double[] draws = [.. Enumerable.Range(0, 100_000).Select(i => Philox.Uniform(5, i % 3, i))];
        draws.ShouldAllBe(d => d >= 0 && d < 1);
        draws.Average().ShouldBe(0.5, 0.005);
        draws.Select(d => d * d).Average().ShouldBe(1.0 / 3, 0.005);
    }

    [Theory]
    [InlineData(1f, 1f, 0, 0f)]
    [InlineData(0.5f, 1f, 0, 0f)]
    [InlineData(2f, 0.7f, 0, 0f)]
    [InlineData(1f, 1f, 3, 0f)]
    [InlineData(1f, 1f, 0, 0.2f)]
    [InlineData(1.3f, 0.8f, 5, 0.05f)]
    public void Sample_ManyDraws_FollowTheDistribution(float temperature, float topP, int topK, float minP)
    {
        float[] logits = [1f, 0.5f, 2f, -1f, 0f, 2.5f, -3f, 1.5f, 0.25f, -0.5f];
        double[] expected = Distribution(logits, temperature, topP, topK, minP);
        var sampler = new Sampler(logits.Length);
        const int draws = 40_000;
        var counts = new int[logits.Length];
        for (int i = 0; i < draws; i++)
        {
            SamplingState state = State(
                new SamplingParams { Temperature = temperature, TopP = topP, TopK = topK, MinP = minP, Seed = i });
            counts[sampler.Sample(state, [], (float[])logits.Clone(), [], 0, out _)]++;
        }

        for (int i = 0; i < logits.Length; i++)
        {
            double frequency = (double)counts[i] / draws;
            if (expected[i] == 0)
            {
                counts[i].ShouldBe(0, $"token {i} is cut off");
            }
            else
            {
                frequency.ShouldBe(expected[i], 5 * Math.Sqrt(expected[i] * (1 - expected[i]) / draws), $"token {i}");
            }
        }
    }

    [Fact]
    public void Sample_LargeVocabulary_TopPCutsExactly()
    {
        var random = new Random(1);
        float[] logits = [.. Enumerable.Range(0, 5000).Select(_ => (float)(random.NextDouble() * 8))];
        double[] expected = Distribution(logits, 1f, 0.3f, 0, 0f);
        var sampler = new Sampler(logits.Length);
        for (int i = 0; i < 2000; i++)
        {
            int token = sampler.Sample(
                State(new SamplingParams { TopP = 0.3f, Seed = i }), [], (float[])logits.Clone(), [], 0, out _);
            expected[token].ShouldBeGreaterThan(0);
        }
    }

    [Fact]
    public void Sample_TinyTemperature_CountsAsOneHundredth()
    {
        float[] logits = [0f, 0.01f];
        var sampler = new Sampler(2);
        int lower = Enumerable.Range(
            0,
            4000).Count(i =>
                sampler.Sample(
                    State(new SamplingParams { Temperature = 0.001f, Seed = i }),
                    [],
                    (float[])logits.Clone(),
                    [],
                    0,
                    out _) == 0);
        (lower / 4000.0).ShouldBe(1 / (1 + Math.E), 0.03);
    }

    [Fact]
    public void Sample_Penalties_FollowVllmsOrder()
    {
        var parameters = new SamplingParams
        {
            Temperature = 0,
            RepetitionPenalty = 2,
            FrequencyPenalty = 0.5f,
            PresencePenalty = 0.25f,
        };
        SamplingState state = State(parameters, prompt: [0, 1]);
        state.Observe(2);
        state.Observe(2);
        state.Observe(1);
        float[] logits = [4f, -4f, 4f, 1f];
        var edits = new RowEdits();
        state.Penalize(logits, edits);
        logits.ShouldBe([2f, -8f - 0.75f, 2f - 1.25f, 1f]);
        edits.Undo(logits);
        logits.ShouldBe([4f, -4f, 4f, 1f]);
    }

    [Fact]
    public void Sample_Restrictions_LeaveOnlyWhatIsAllowed()
    {
        var sampler = new Sampler(4);
        float[] logits = [5f, 4f, 3f, 2f];
        Draw(new SamplingParams { Temperature = 0, AllowedTokenIds = [2, 3] }).ShouldBe(2);
        Draw(new SamplingParams { Temperature = 0, LogitBias = new Dictionary<int, float> { [3] = 50 } }).ShouldBe(3);
        Draw(new SamplingParams { Temperature = 0, MinTokens = 1, StopTokenIds = [0] }).ShouldBe(1);
        Draw(new SamplingParams { Temperature = 0 }, eos: [0], minTokens: 1).ShouldBe(1);

        int Draw(SamplingParams p, int[]? eos = null, int minTokens = 0) =>
            sampler.Sample(
                State(p with { MinTokens = Math.Max(p.MinTokens, minTokens) }, eos: eos),
                [],
                (float[])logits.Clone(),
                [],
                0,
                out _);
    }

    [Fact]
    public void Sample_LogitsProcessor_SeesOutputAndChangesTheRow()
    {
        var sampler = new Sampler(4);
        LogitsProcessorFactory factory = p => p.ExtraArgs?.TryGetValue("force", out object? token) == true
            ? (_, logits) => logits[(int)token!] = 100
            : null;
        var parameters =
            new SamplingParams { Temperature = 0, ExtraArgs = new Dictionary<string, object?> { ["force"] = 2 } };
        var state = new SamplingState(new SamplingRules(parameters, [], [], null), 0, 0, [factory]);
        float[] row = [5f, 4f, 3f, 2f];
        state.CallHooks([], row);
        sampler.Sample(state, [], row, [], 0, out _).ShouldBe(2);
        sampler.Sample(State(new SamplingParams { Temperature = 0 }), [], [5f, 4f, 3f, 2f], [], 0, out _).ShouldBe(0);
    }

    private static SamplingState State(SamplingParams p, int[]? prompt = null, int[]? eos = null) =>
        new(new SamplingRules(p, prompt ?? [], eos ?? [], null), p.Seed ?? 0, 0, []);

    // Temperature, then min-p, top-k, top-p, as vLLM applies them; written plainly.
    private static double[] Distribution(float[] logits, float temperature, float topP, int topK, float minP)
    {
        double[] p = [.. logits.Select(l => Math.Exp(l / temperature))];
        Normalize(p);
        double least = minP * p.Max();
        p = [.. p.Select(x => x < least ? 0 : x)];
        int[] order = [.. Enumerable.Range(0, p.Length).OrderByDescending(i => p[i])];
        foreach (int i in order.Skip(topK > 0 ? topK : p.Length))
        {
            p[i] = 0;
        }

        Normalize(p);
        double sum = 0;
        foreach (int i in order)
        {
            bool keep = sum < topP;
            sum += p[i];
            p[i] = keep ? p[i] : 0;
        }

        Normalize(p);
        return p;
    }

    private static void Normalize(double[] p)
    {
        double sum = p.Sum();
        for (int i = 0; i < p.Length; i++)
        {
            p[i] /= sum;
        }
    }
}

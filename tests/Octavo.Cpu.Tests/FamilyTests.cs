using Octavo.Engine;
using Octavo.Testing;

namespace Octavo.Cpu.Tests;

/// <summary>
/// What holds of every family, on one model for each kind of layer: logits do not depend on company, and quantized
/// weights hardly change the best token.
/// </summary>
public sealed class FamilyTests
{
    /// <summary>
    /// Sliding windows, caps, sinks, ALiBi, parts beside each other, learned positions, query temperature, heads that
    /// differ by layer.
    /// </summary>
    public static TheoryData<string> Kinds =>
    [
        "golden-hf/gemma3", "golden-hf/vaultgemma", "golden-hf/granite_swa", "bloom", "golden-hf/cohere2", "gpt2",
        "golden-hf/ministral3", "golden-hf/apertus", "golden-hf/gemma4",
    ];

    /// <summary>All models whose checkpoint is not quantized itself.</summary>
    public static TheoryData<string> Unquantized =>
        [.. GoldenTests.Directories.Select(row => row.Data).Where(name => !name.Contains("-q-"))];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Logits_InAnyCompany_AreTheSameBits(string name)
    {
        Golden golden = Golden.Require(name);
        int[] ids = golden.Prompts.MaxBy(prompt => prompt.Ids.Length)!.Ids;
        foreach (KvCacheFormat kvCache in new[] { KvCacheFormat.Float32, KvCacheFormat.BFloat16, KvCacheFormat.Int8 })
        {
            string weights = kvCache == KvCacheFormat.Int8 ? "int8" : "float32";
            using var one = new TestRunner(golden.Directory, weights, kvCache, threads: 1);
            using var two = new TestRunner(golden.Directory, weights, kvCache, threads: 2);
            float[][] alone = one.AllLogits(ids);
            foreach (int chunk in new[] { 1, 7, 512 })
            {
                ShouldBeTheSame(two.AllLogits(ids, chunk), alone, $"{name} {kvCache}, chunks of {chunk}");
            }

            ShouldBeTheSame(AmongOthers(two, ids, 6), alone, $"{name} {kvCache}, among others");
        }
    }

    /// <summary>
    /// Layers of the bundled model with windows between layers that attend to everything, and with nothing but windows.
    /// </summary>
    [Theory]
    [InlineData("full_attention", "sliding_attention", "sliding_attention")]
    [InlineData("sliding_attention", "sliding_attention", "sliding_attention")]
    public void Logits_OfWindowsInAnyCompany_AreTheSameBits(params string[] layers)
    {
        using TalesVariant model = new TalesVariant().WithLayers(layers.Length)
            .With("config.json", "architectures", """["SmolLM3ForCausalLM"]""")
            .With("config.json", "model_type", "\"smollm3\"")
            .With("config.json", "use_sliding_window", "true")
            .With("config.json", "sliding_window", "40")
            .With("config.json", "layer_types", $"[\"{string.Join("\", \"", layers)}\"]");
        ShouldBeTheSameInAnyCompany(model.Path, KvCacheFormat.Float32, KvCacheFormat.Int8);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Logits_ThroughTheEngine_AreTheSameBits(string name) => ShouldBeTheSameInAnyCompany(
        Golden.Require(name).Directory, KvCacheFormat.Float32, KvCacheFormat.BFloat16, KvCacheFormat.Int8);

    [Theory]
    [MemberData(nameof(Unquantized))]
    public void Run_Quantized_KeepsTheBestToken(string name)
    {
        Golden golden = Golden.Require(name);
        foreach ((string weights, double margin) in new[] { ("bf16", 0.1), ("int8", 0.2), ("int4", 4.0) })
        {
            using var model = new TestRunner(golden.Directory, weights);
            (int kept, int counted) = (0, 0);
            int most = model.Description.Spec.DefaultMaxModelLen;
            foreach (GoldenPrompt prompt in golden.Prompts.Where(prompt => prompt.Ids.Length <= most))
            {
                float[][] logits = model.AllLogits(prompt.Ids);
                for (int row = 0; row < logits.Length; row++)
                {
                    // Tiny random models hardly prefer one token: only where they do there is something to keep.
                    double[] best = prompt.TopLogits[row];
                    if (best[0] - best[1] >= margin)
                    {
                        counted++;
                        kept += Array.IndexOf(logits[row], logits[row].Max()) == prompt.TopIds[row][0] ? 1 : 0;
                    }
                }
            }

            ((double)kept).ShouldBeGreaterThanOrEqualTo(0.95 * counted, $"{name} {weights}: {kept} of {counted}");
        }
    }

    private static void ShouldBeTheSameInAnyCompany(string model, params KvCacheFormat[] formats)
    {
        foreach (KvCacheFormat kvCache in formats)
        {
            var plain = new Company { Weights = kvCache == KvCacheFormat.Int8 ? "int8" : "float32", KvCache = kvCache };
            List<float[]> expected = plain.Run(model, out _);
            foreach ((string name, Company company) in new[]
            {
                ("chunks of 1", plain with { Chunk = 1, MaxSeqs = 1 }),
                ("chunks of 7, 1 thread", plain with { Chunk = 7, MaxSeqs = 7, Threads = 1 }),
                ("preempted among 32 others", plain with { Others = 32, NumBlocks = 30 }),
                ("prefix cache hit", plain with { WarmPrefix = true }),
                ("prefix cache hit among 32 others",
                    plain with { WarmPrefix = true, Others = 32, Chunk = 61, MaxSeqs = 61 }),
            })
            {
                Company.ShouldBeTheSame(
                    expected, company.Run(model, out Company.Observations seen), $"{kvCache}, {name}");
                (seen.Preemptions > 0).ShouldBe(company.NumBlocks < 100, name);
                (seen.CachedTokens > 0).ShouldBe(company.WarmPrefix, name);
            }
        }
    }

    private static float[][] AmongOthers(TestRunner model, int[] ids, int others)
    {
        var batch = new StepBatch(model.Runner);
        for (int other = 0; other <= others; other++)
        {
            int[] table = model.TableOf(ids.Length, other);
            int[] text = other == others / 2 ? ids : [.. ids.Reverse().Skip(other)];
            batch.AddSequence(text, 0, table, other == others / 2 ? ids.Length : 0);
        }

        var logits = new float[ids.Length * model.Runner.VocabSize];
        model.Runner.Run(batch, logits);
        return [.. logits.Chunk(model.Runner.VocabSize)];
    }

    private static void ShouldBeTheSame(float[][] actual, float[][] expected, string what)
    {
        for (int row = 0; row < expected.Length; row++)
        {
            actual[row].AsSpan().SequenceEqual(expected[row]).ShouldBeTrue($"{what}, position {row}");
        }
    }
}

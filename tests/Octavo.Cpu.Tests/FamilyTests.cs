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
    /// Sliding windows, caps, sinks, ALiBi, parts beside each other, learned positions, query temperature.
    /// </summary>
    public static TheoryData<string> Kinds =>
    [
        "golden-hf/gemma3", "golden-hf/vaultgemma", "golden-hf/granite_swa", "bloom", "golden-hf/cohere2", "gpt2",
        "golden-hf/ministral3", "golden-hf/apertus",
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

    private static float[][] AmongOthers(TestRunner model, int[] ids, int others)
    {
        var batch = new StepBatch(model.Runner.BlockSize);
        int perSequence = (ids.Length + model.Runner.BlockSize - 1) / model.Runner.BlockSize;
        for (int other = 0; other <= others; other++)
        {
            int[] table = [.. Enumerable.Range(other * perSequence, perSequence)];
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

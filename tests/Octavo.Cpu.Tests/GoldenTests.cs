using Octavo.Cpu.Kernels;
using Octavo.Cpu.Linears;
using Octavo.Engine;
using Octavo.Testing;

namespace Octavo.Cpu.Tests;

/// <summary>Logits against an independent float64 implementation, for every tiny checkpoint of the supported families.</summary>
public sealed class GoldenTests
{
    private const double Tolerance = 2e-4;

    public static TheoryData<string> Directories { get; } =
    [
        "llama", "llama-attention-bias", "llama-bf16", "llama-f16", "llama-head-dim", "llama-mlp-bias", "llama-q-base",
        "llama-rope-linear", "llama-rope-llama3", "llama-rope-llama3-v5config", "llama-sharded", "llama-tied",
        "opt", "opt-decoder-prefix",
    ];

    [Theory]
    [MemberData(nameof(Directories))]
    public void Run_WholePrompt_MatchesReference(string name)
    {
        Golden golden = Golden.Require(name);
        using var model = new TestRunner(golden.Directory);
        foreach (GoldenPrompt prompt in golden.Prompts)
        {
            Compare(model.AllLogits(prompt.Ids), prompt);
        }
    }

    [Theory]
    [MemberData(nameof(Directories))]
    public void Run_TokenByToken_MatchesReference(string name)
    {
        Golden golden = Golden.Require(name);
        using var model = new TestRunner(golden.Directory, threads: 1);
        foreach (GoldenPrompt prompt in golden.Prompts)
        {
            Compare(model.AllLogits(prompt.Ids, chunk: 1), prompt);
        }
    }

    [Theory]
    [MemberData(nameof(Directories))]
    public void Step_Greedy_MatchesReference(string name)
    {
        Golden golden = Golden.Require(name);
        using var model = new TestRunner(golden.Directory);
        using LlmEngine engine = model.Engine();
        var outputs = new Dictionary<string, RequestOutput>();
        foreach (GoldenPrompt prompt in golden.Prompts)
        {
            var parameters = new SamplingParams { Temperature = 0, MaxTokens = prompt.GreedyIds.Length, IgnoreEos = true };
            engine.Add(new EngineRequest { Id = prompt.Name, PromptTokenIds = prompt.Ids, Parameters = parameters }, o => outputs[o.RequestId] = o);
        }

        engine.RunToEnd();

        foreach (GoldenPrompt prompt in golden.Prompts)
        {
            outputs[prompt.Name].Outputs[0].TokenIds.ShouldBe(prompt.GreedyIds, $"{name} {prompt.Name}");
        }
    }

    /// <summary>Where bfloat16 weights meet float32 activations nothing is lost; where activations are bfloat16, too, little is.</summary>
    [Fact]
    public void Run_BFloat16CheckpointInBFloat16_EqualsFloat32()
    {
        Golden golden = Golden.Require("llama-bf16");
        using var wide = new TestRunner(golden.Directory, WeightFormat.Float32);
        foreach (InstructionSet isa in TestRunner.InstructionSets)
        {
            using var narrow = new TestRunner(golden.Directory, WeightFormat.BFloat16, isa: isa);
            foreach (GoldenPrompt prompt in golden.Prompts)
            {
                float[] expected = wide.AllLogits(prompt.Ids)[^1];
                float[] actual = narrow.AllLogits(prompt.Ids)[^1];
                double error = expected.Zip(actual, (e, a) => Math.Pow((double)e - a, 2)).Sum() / expected.Sum(e => (double)e * e);
                Math.Sqrt(error).ShouldBeLessThan(LinearScheme.HasBFloat16Dots(isa) ? 0.02 : 2e-5, $"{isa} {prompt.Name}");
            }
        }
    }

    private static void Compare(float[][] logits, GoldenPrompt prompt)
    {
        for (int i = 0; i < prompt.LastLogits.Length; i++)
        {
            ((double)logits[^1][i]).ShouldBe(prompt.LastLogits[i], Tolerance, $"{prompt.Name} logit {i}");
        }

        for (int position = 0; position < prompt.Ids.Length; position++)
        {
            float[] row = logits[position];
            int[] top = [.. Enumerable.Range(0, row.Length).OrderByDescending(i => row[i]).Take(5)];
            top.ShouldBe(prompt.TopIds[position], $"{prompt.Name} position {position}");
            for (int i = 0; i < 5; i++)
            {
                ((double)row[top[i]]).ShouldBe(prompt.TopLogits[position][i], Tolerance, $"{prompt.Name} position {position}");
            }

            double logSumExp = Math.Log(row.Sum(l => Math.Exp(l)));
            logSumExp.ShouldBe(prompt.LogSumExp[position], Tolerance, $"{prompt.Name} position {position}");
        }
    }
}

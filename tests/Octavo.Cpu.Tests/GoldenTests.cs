using Octavo.Cpu.Panels;
using Octavo.Engine;
using Octavo.Formats;
using Octavo.Testing;

namespace Octavo.Cpu.Tests;

/// <summary>
/// Logits against an independent float64 implementation, for every tiny checkpoint of the supported families.
/// </summary>
public sealed class GoldenTests
{
    private const double Tolerance = 2e-4;

    public static TheoryData<string> Directories { get; } =
    [
        "llama", "llama-attention-bias", "llama-bf16", "llama-f16", "llama-head-dim", "llama-mlp-bias", "llama-q-base",
        "llama-q-awq-4bit", "llama-q-ct-fp8-channel", "llama-q-ct-w4a16-asym", "llama-q-ct-w4a16-sym",
        "llama-q-ct-w8a16-group", "llama-q-gptq-4bit-asym", "llama-q-gptq-4bit-descact", "llama-q-gptq-4bit-sym",
        "llama-rope-linear", "llama-rope-llama3", "llama-rope-llama3-v5config", "llama-sharded", "llama-tied",
        "opt", "opt-decoder-prefix",
        "gemma2", "mistral", "phi3", "qwen2", "qwen2-swa", "qwen3", "smollm3",
        "golden-hf/cohere", "golden-hf/cohere2", "golden-hf/ernie4_5", "golden-hf/gemma", "golden-hf/gemma3",
        "golden-hf/glm", "golden-hf/granite", "golden-hf/helium", "golden-hf/internlm3", "golden-hf/llama-rope-linear5",
        "golden-hf/nemotron", "golden-hf/olmo2", "golden-hf/qwen2", "golden-hf/qwen3", "golden-hf/smollm3",
        "golden-hf/stablelm", "golden-hf/starcoder2",
        "bloom", "falcon", "gpt2", "gpt_neox", "phi", "golden-hf/codegen", "golden-hf/gpt_neo", "golden-hf/gptj",
        "golden-hf/granite_swa", "golden-hf/jais2", "golden-hf/ministral3", "golden-hf/persimmon",
        "golden-hf/vaultgemma", "golden-hf/apertus", "golden-hf/gemma4", "golden-hf/phi3-longrope",
        "llama-rope-dynamic",
        "gguf/models/cohere2", "gguf/models/exaone4", "gguf/models/falcon-7b", "gguf/models/gemma",
        "gguf/models/gemma2", "gguf/models/gemma3", "gguf/models/gemma4", "gguf/models/glm4", "gguf/models/gpt2",
        "gguf/models/granite", "gguf/models/llama-iq4_xs", "gguf/models/llama-llama3", "gguf/models/llama-q4_0",
        "gguf/models/llama-q4_k_m", "gguf/models/llama-q6_k", "gguf/models/llama-q8_0", "gguf/models/llama-split",
        "gguf/models/llama-v2", "gguf/models/llama-yarn", "gguf/models/mistral-align64", "gguf/models/mistral-q8_0",
        "gguf/models/olmo2", "gguf/models/phi3-longrope", "gguf/models/qwen2", "gguf/models/qwen2-q8_0",
        "gguf/models/qwen3", "gguf/models/qwen3-k256-tq1_0", "gguf/models/smollm3", "gguf/models/stablelm",
        "gguf/models/starcoder2",
    ];

    [Theory]
    [MemberData(nameof(Directories))]
    public void Run_WholePrompt_MatchesReference(string name)
    {
        Golden golden = Golden.Require(name);
        using var model = new TestRunner(golden.Directory);
        int most = model.Description.Spec.DefaultMaxModelLen;
        foreach (GoldenPrompt prompt in FittingIn(model, golden))
        {
            Compare(model.AllLogits(prompt.Ids), prompt);
        }

        // Longer ones are asked for: rotary positions are then scaled for their length.
        foreach (GoldenPrompt prompt in golden.Prompts.Where(prompt => prompt.Ids.Length > most))
        {
            using var longer = new TestRunner(golden.Directory, maxModelLen: prompt.Ids.Length);
            Compare(longer.AllLogits(prompt.Ids), prompt);
        }
    }

    [Theory]
    [MemberData(nameof(Directories))]
    public void Run_TokenByToken_MatchesReference(string name)
    {
        Golden golden = Golden.Require(name);
        using var model = new TestRunner(golden.Directory, threads: 1);
        foreach (GoldenPrompt prompt in FittingIn(model, golden))
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
        ShouldBeGreedy(golden, model);
    }

    /// <summary>
    /// Eight-bit activations: exact where no activation is near a rounding tie (the prompts of one and two tokens); one
    /// flipped step moves the others' logits by up to 0.4, and their greedy tokens stay.
    /// </summary>
    [Fact]
    public void Run_QuantizedActivations_MatchReference()
    {
        Golden golden = Golden.Require("llama-q-ct-w8a8-int8", "expected_act_int8_127.json");
        foreach (InstructionSet isa in TestRunner.InstructionSets)
        {
            using var model = new TestRunner(golden.Directory, isa: isa);
            foreach (GoldenPrompt prompt in golden.Prompts)
            {
                float[] last = model.AllLogits(prompt.Ids)[^1];
                double tolerance = prompt.Ids.Length <= 2 ? Tolerance : 0.4;
                for (int i = 0; i < last.Length; i++)
                {
                    ((double)last[i]).ShouldBe(prompt.LastLogits[i], tolerance, $"{isa} {prompt.Name} logit {i}");
                }
            }
        }

        using var greedy = new TestRunner(golden.Directory);
        ShouldBeGreedy(golden, greedy);
    }

    /// <summary>
    /// Stored codes go into the panels as they are: at no more than their bits, with nothing to be said.
    /// </summary>
    [Theory]
    [InlineData("llama-q-ct-fp8-channel", 8)]
    [InlineData("llama-q-ct-w4a16-asym", 4)]
    [InlineData("llama-q-ct-w8a8-int8", 8)]
    [InlineData("llama-q-awq-4bit", 4)]
    [InlineData("llama-q-gptq-4bit-descact", 4)]
    public void WeightBytes_OfAQuantizedCheckpoint_AreItsBits(string name, int bits)
    {
        Golden golden = Golden.Require(name);
        using var model = new TestRunner(golden.Directory);
        using Checkpoint checkpoint = ModelSource.Open(golden.Directory).OpenCheckpoint();
        Models.DecoderSpec spec = model.Description.Spec;

        model.Runner.Plan.Notes.ShouldBeEmpty();
        long head = (long)spec.VocabSize * spec.HiddenSize * sizeof(float);
        long weights = spec.NumLayers * (((long)spec.HiddenSize * 64 * 6)
            + (3L * spec.HiddenSize * spec.FeedForwards.First().IntermediateSize));
        (model.Runner.WeightBytes - head).ShouldBeInRange(weights * bits / 8, weights * (bits + 2) / 8);
    }

    /// <summary>
    /// Where bfloat16 weights meet float32 activations nothing is lost; where activations are bfloat16, too, little is.
    /// </summary>
    [Fact]
    public void Run_BFloat16CheckpointInBFloat16_EqualsFloat32()
    {
        Golden golden = Golden.Require("llama-bf16");
        using var wide = new TestRunner(golden.Directory, "float32");
        foreach (InstructionSet isa in TestRunner.InstructionSets)
        {
            using var narrow = new TestRunner(golden.Directory, "bf16", isa: isa);
            foreach (GoldenPrompt prompt in golden.Prompts)
            {
                float[] expected = wide.AllLogits(prompt.Ids)[^1];
                float[] actual = narrow.AllLogits(prompt.Ids)[^1];
                double error =
                    expected.Zip(actual, (e, a) => Math.Pow((double)e - a, 2)).Sum() / expected.Sum(e => (double)e * e);
                Math.Sqrt(error)
                    .ShouldBeLessThan(LinearScheme.HasBFloat16Dots(isa) ? 0.02 : 2e-5, $"{isa} {prompt.Name}");
            }
        }
    }

    private static void ShouldBeGreedy(Golden golden, TestRunner model)
    {
        using LlmEngine engine = model.Engine();
        var outputs = new Dictionary<string, RequestOutput>();
        foreach (GoldenPrompt prompt in FittingIn(model, golden))
        {
            var parameters =
                new SamplingParams { Temperature = 0, MaxTokens = prompt.GreedyIds.Length, IgnoreEos = true };
            engine.Add(
                new EngineRequest { Id = prompt.Name, PromptTokenIds = prompt.Ids, Parameters = parameters },
                o => outputs[o.RequestId] = o);
        }

        engine.RunToEnd();

        foreach (GoldenPrompt prompt in FittingIn(model, golden))
        {
            int room = model.Description.Spec.DefaultMaxModelLen - prompt.Ids.Length;
            outputs[prompt.Name].Outputs[0].TokenIds.ShouldBe(
                prompt.GreedyIds.Take(room), $"{golden.Directory} {prompt.Name}");
        }
    }

    private static IEnumerable<GoldenPrompt> FittingIn(TestRunner model, Golden golden) =>
        golden.Prompts.Where(prompt => prompt.Ids.Length <= model.Description.Spec.DefaultMaxModelLen);

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
                ((double)row[top[i]]).ShouldBe(
                    prompt.TopLogits[position][i], Tolerance, $"{prompt.Name} position {position}");
            }

            double logSumExp = Math.Log(row.Sum(l => Math.Exp(l)));
            logSumExp.ShouldBe(prompt.LogSumExp[position], Tolerance, $"{prompt.Name} position {position}");
        }
    }
}

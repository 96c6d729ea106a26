using System.Text.Json;
using Octavo.Testing;

namespace Octavo.Cpu.Tests;

/// <summary>Checkpoints that quantization tools wrote themselves, against transformers' logits.</summary>
public sealed class RealToolTests
{
    /// <summary>
    /// bitsandbytes rounds weights and activations to bfloat16 where it multiplies, which moves these by 0.081; rounded
    /// activations of eight bits are not done here as the tools do them (docs/quantization.md), which moves those more.
    /// </summary>
    [Theory]
    [InlineData("bitsandbytes-nf4", 0.09)]
    [InlineData("llmcompressor-w4a16", 0.02)]
    [InlineData("llmcompressor-w8a8", 0.4)]
    [InlineData("llmcompressor-fp8-dynamic", 0.7)]
    public void Run_WhatAToolWrote_GivesItsLogProbabilities(string name, double tolerance)
    {
        string directory = SharedData.Require($"quantized-real/{name}");
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(directory, "expected.json")));
        using var model = new TestRunner(directory);
        foreach (JsonElement prompt in expected.RootElement.GetProperty("cases").EnumerateArray())
        {
            int[] ids = [.. prompt.GetProperty("prompt_token_ids").EnumerateArray().Select(id => id.GetInt32())];
            double[] wanted = LogProbabilities(
                [.. prompt.GetProperty("last_logits").EnumerateArray().Select(logit => logit.GetDouble())]);
            double[] actual = LogProbabilities([.. model.AllLogits(ids)[^1].Select(logit => (double)logit)]);
            actual.Zip(wanted, (a, w) => Math.Abs(a - w)).Max().ShouldBeLessThan(tolerance, name);
        }
    }

    private static double[] LogProbabilities(double[] logits)
    {
        double sum = Math.Log(logits.Sum(Math.Exp));
        return [.. logits.Select(logit => logit - sum)];
    }
}

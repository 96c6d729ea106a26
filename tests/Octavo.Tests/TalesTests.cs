using System.Text.Json;
using Octavo.Testing;

namespace Octavo.Tests;

/// <summary>The bundled model against an independent float32 implementation (models/tales/expected.json).</summary>
public sealed class TalesTests
{
    [Fact]
    public void Generate_Greedy_MatchesReference()
    {
        using JsonDocument document =
            JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.TalesModel, "expected.json")));
        JsonElement[] prompts = [.. document.RootElement.GetProperty("prompts").EnumerateArray()];
        using LLM llm =
            LLM.Load(
                Repository.TalesModel, options: new EngineOptions { Model = new() { Dtype = ModelDtype.Float32 } });
        var sampling = new SamplingParams { Temperature = 0, MaxTokens = 48, Logprobs = 5 };

        IReadOnlyList<RequestOutput> outputs = llm.Generate(
            prompts.Select(p => p.GetProperty("prompt").GetString()!), sampling);

        for (int i = 0; i < prompts.Length; i++)
        {
            JsonElement[] greedy = [.. prompts[i].GetProperty("greedy").EnumerateArray()];
            CompletionOutput output = outputs[i].Outputs[0];
            outputs[i].PromptTokenIds.ShouldBe(
                prompts[i].GetProperty("prompt_ids").EnumerateArray().Select(e => e.GetInt32()));
            output.TokenIds.ShouldBe(greedy.Select(g => g.GetProperty("token").GetInt32()));
            output.Text.ShouldBe(prompts[i].GetProperty("text").GetString());
            for (int t = 0; t < greedy.Length; t++)
            {
                ((double)output.Logprobs![t].Token.Logprob).ShouldBe(
                    greedy[t].GetProperty("logprob").GetDouble(), 1e-3);
                JsonElement[] top = [.. greedy[t].GetProperty("top5").EnumerateArray()];
                for (int k = 0; k < top.Length; k++)
                {
                    output.Logprobs[t].Top[k].TokenId.ShouldBe(top[k][0].GetInt32());
                    ((double)output.Logprobs[t].Top[k].Logprob).ShouldBe(top[k][1].GetDouble(), 1e-3);
                    output.Logprobs[t].Top[k].Rank.ShouldBe(k + 1);
                }
            }
        }
    }
}

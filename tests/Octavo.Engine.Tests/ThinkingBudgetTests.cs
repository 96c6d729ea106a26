using System.Text.Json.Nodes;
using Octavo.Engine.Sampling;
using Octavo.Testing;
using Octavo.Text;

namespace Octavo.Engine.Tests;

public sealed class ThinkingBudgetTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("octavo");

    [Fact]
    public void ForcedByThinking_BudgetUsedUp_ClosesOnceAndAgainWhenOpenedAgain()
    {
        Tokenizer tokenizer = TokenizerThatThinks(out int open, out int close);
        var rules = new SamplingRules(new SamplingParams { ThinkingTokenBudget = 2 }, [], [], tokenizer);
        var state = new SamplingState(rules, 0, 0, []);
        Next(7).ShouldBeNull("it does not think yet");
        Next(open).ShouldBeNull();
        Next(7).ShouldBeNull();
        Next(7).ShouldBe(close);
        Next(close).ShouldBeNull();
        Next(7).ShouldBeNull();
        Next(open).ShouldBeNull();
        Next(7).ShouldBeNull();
        Next(7).ShouldBe(close);

        int? Next(int token)
        {
            state.Observe(token);
            return state.ForcedByThinking;
        }
    }

    [Fact]
    public void Sample_PromptThatThinks_IsClosedAtOnceWithoutABudget()
    {
        Tokenizer tokenizer = TokenizerThatThinks(out int open, out int close);
        var rules = new SamplingRules(
            new SamplingParams { ThinkingTokenBudget = 0, Temperature = 0 }, [3, open], [], tokenizer);
        var state = new SamplingState(rules, 0, 0, []);
        var sampler = new Sampler(tokenizer.VocabSize);
        var logits = new float[tokenizer.VocabSize];
        logits[9] = 5;
        sampler.Sample(state, [], logits, [], 0, out _).ShouldBe(close);
        logits[9] = 5;
        sampler.Sample(state, [close], logits, [], 0, out _).ShouldBe(9);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private Tokenizer TokenizerThatThinks(out int open, out int close)
    {
        JsonNode tokenizer = JsonNode.Parse(File.ReadAllText(Path.Combine(Repository.TalesModel, "tokenizer.json")))!;
        (open, close) = (4096, 4097);
        foreach ((int id, string content) in new[] { (open, "<think>"), (close, "</think>") })
        {
            tokenizer["added_tokens"]!.AsArray().Add(new JsonObject
            {
                ["id"] = id,
                ["content"] = content,
                ["single_word"] = false,
                ["lstrip"] = false,
                ["rstrip"] = false,
                ["normalized"] = false,
                ["special"] = true,
            });
        }

        string path = Path.Combine(_folder.FullName, "tokenizer.json");
        File.WriteAllText(path, tokenizer.ToJsonString());
        return Tokenizer.LoadFile(path);
    }
}

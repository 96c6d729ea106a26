using Octavo.Engine;
using Octavo.Testing;

namespace Octavo.Tests;

/// <summary>What a model's files say beside its weights, as a caller of the library meets it.</summary>
public sealed class ModelFactsTests
{
    private static readonly SamplingParams Greedy = new() { Temperature = 0, MaxTokens = 8 };

    [Fact]
    public void Load_EosOnlyInTokenizerConfig_EndsATextAndComesFirst()
    {
        using TalesVariant model = new();
        int next;
        string word;
        using (LLM plain = LLM.Load(Repository.TalesModel, "float32"))
        {
            next = plain.Generate("Once upon a time", Greedy).Outputs[0].TokenIds[2];
            word = plain.Engine.Tokenizer!.IdToToken(next)!;
        }

        model.With("tokenizer_config.json", "eos_token", System.Text.Json.JsonSerializer.Serialize(word))
            .With("config.json", "eos_token_id", "[0, 5]")
            .With("generation_config.json", "eos_token_id", "7");
        using LLM llm = LLM.Load(model.Path, "float32");
        llm.Model.EosTokenIds.ShouldBe([next, 7, 0, 5]);
        CompletionOutput answer = llm.Generate("Once upon a time", Greedy).Outputs[0];
        answer.FinishReason.ShouldBe(FinishReason.Stop);
        answer.TokenIds.Count.ShouldBeLessThanOrEqualTo(3);
    }

    [Fact]
    public void Load_EosBeyondTheModelsVocabulary_IsNoneOfItsTokens()
    {
        using TalesVariant model = new TalesVariant().With("tokenizer_config.json", "eos_token", "\"<|nowhere|>\"");
        using LLM llm = LLM.Load(model.Path, "float32");
        llm.Model.EosTokenIds.ShouldBe([0]);
        llm.Engine.Tokenizer!.EosTokenId.ShouldBe(llm.Model.VocabSize);
        llm.Generate("Once", Greedy with { MinTokens = 2 }).Outputs[0].TokenIds.Count.ShouldBe(8);
    }

    [Fact]
    public void Generate_TextWithATokenBeyondTheModelsVocabulary_SaysWhichWords()
    {
        using TalesVariant model =
            new TalesVariant().With("tokenizer_config.json", "extra_special_tokens", "[\"<|nowhere|>\"]");
        using LLM llm = LLM.Load(model.Path, "float32");
        Should.Throw<InvalidRequestException>(() => llm.Generate("Once <|nowhere|> upon", Greedy)).Message
            .ShouldBe("Prompt holds '<|nowhere|>', the tokenizer's token 4096, but the model's vocabulary ends at 4095: leave it out");
    }

    [Fact]
    public void DefaultSamplingParams_DoSampleFalse_AreGreedyAndOnlyADefault()
    {
        using TalesVariant model = new TalesVariant().With("generation_config.json", "do_sample", "false")
            .With("generation_config.json", "max_new_tokens", "4");
        using LLM llm = LLM.Load(model.Path, "float32");
        llm.DefaultSamplingParams.IsGreedy.ShouldBeTrue();
        llm.DefaultSamplingParams.TopP.ShouldBe(0.95f);
        llm.Generate("Once upon a time").Outputs[0].TokenIds
            .ShouldBe(llm.Generate("Once upon a time", Greedy with { MaxTokens = 4 }).Outputs[0].TokenIds);
        llm.Generate(
            "Once upon a time",
            llm.DefaultSamplingParams with { MaxTokens = 9, IgnoreEos = true }).Outputs[0].TokenIds.Count.ShouldBe(9);
    }

    [Fact]
    public void Notes_WhatIsNotUsed_AreTold()
    {
        using TalesVariant model = new TalesVariant().With("generation_config.json", "top_p", "7");
        File.WriteAllText(
            Path.Combine(model.Path, "model.safetensors.index.json"), """{"weight_map":{"x":"gone.safetensors"}}""");
        using LLM llm = LLM.Load(model.Path, "float32");
        llm.Model.Notes.Count.ShouldBe(2);
        llm.Model.Notes[0].ShouldStartWith("generation_config.json: top_p is not used");
        llm.Model.Notes[1].ShouldStartWith("model.safetensors.index.json is not used");
    }
}

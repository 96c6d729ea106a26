using System.Text.Json;
using Octavo.Testing;

namespace Octavo.Text.Tests;

/// <summary>Against what the bundled model's own tokenizer wrote into expected.json.</summary>
public sealed class TalesTokenizerTests
{
    private static readonly Tokenizer s_tokenizer = Tokenizer.Load(Repository.TalesModel);

    public static TheoryData<string, int[], int[], string> Prompts()
    {
        TheoryData<string, int[], int[], string> data = [];
        using JsonDocument expected =
            JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.TalesModel, "expected.json")));
        foreach (JsonElement prompt in expected.RootElement.GetProperty("prompts").EnumerateArray())
        {
            data.Add(
                prompt.GetProperty("prompt").GetString()!,
                [.. prompt.GetProperty("prompt_ids").EnumerateArray().Select(id => id.GetInt32())],
                [.. prompt.GetProperty("greedy").EnumerateArray().Select(step => step.GetProperty("token").GetInt32())],
                prompt.GetProperty("text").GetString()!);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Prompts))]
    public void Encode_ReferencePrompt_GivesReferenceIds(string prompt, int[] promptIds, int[] generated, string text)
    {
        s_tokenizer.Encode(prompt).ShouldBe(promptIds);
        s_tokenizer.Encode(prompt, addSpecialTokens: false).ShouldBe(promptIds[1..]);
        s_tokenizer.Decode(promptIds).ShouldBe(prompt);
        s_tokenizer.Decode(generated).ShouldBe(text);
    }

    [Theory]
    [MemberData(nameof(Prompts))]
    public void Append_GeneratedIds_AddUpToReferenceText(string prompt, int[] promptIds, int[] generated, string text)
    {
        IncrementalDetokenizer detokenizer = s_tokenizer.CreateDetokenizer(promptIds);
        string streamed = string.Concat(generated.Select(detokenizer.Append)) + detokenizer.Flush();
        (prompt + streamed).ShouldBe(prompt + text);
    }

    // Strings that we made up, and the ids that npm's @huggingface/tokenizers 0.2.0 gives for them.
    [Fact]
    public void Encode_MixedScripts_GivesTheIdsOfHuggingFace()
    {
        string path = Path.Combine(AppContext.BaseDirectory, "Vectors", "tales.json");
        using JsonDocument vectors = JsonDocument.Parse(File.ReadAllBytes(path));
        foreach (JsonElement vector in vectors.RootElement.EnumerateArray())
        {
            string text = vector.GetProperty("text").GetString()!;
            int[] expected = [.. vector.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
            s_tokenizer.Encode(text, addSpecialTokens: false).ShouldBe(expected, text);
            s_tokenizer.Decode(expected, skipSpecialTokens: false).ShouldBe(text);
        }
    }

    [Fact]
    public void Load_TalesModel_KnowsItsSpecialTokens()
    {
        s_tokenizer.VocabSize.ShouldBe(4096);
        s_tokenizer.BosToken.ShouldBe("<|endoftext|>");
        s_tokenizer.BosTokenId.ShouldBe(0);
        s_tokenizer.EosTokenId.ShouldBe(0);
        s_tokenizer.PadTokenId.ShouldBe(3);
        s_tokenizer.IsSpecial(2).ShouldBeTrue();
        s_tokenizer.IsSpecial(4).ShouldBeFalse();
        s_tokenizer.IsSpecial(-1).ShouldBeFalse();
        s_tokenizer.IdToToken(1).ShouldBe("<|im_start|>");
        s_tokenizer.IdToToken(4096).ShouldBeNull();
        s_tokenizer.TokenToId("<|im_end|>").ShouldBe(2);
        s_tokenizer.TokenToId("no such token").ShouldBeNull();
        s_tokenizer.ChatTemplateSource!.ShouldStartWith("{{ bos_token }}{% for message in messages %}");
        s_tokenizer.TokenBytes(s_tokenizer.TokenToId("Ġthe")!.Value).ShouldBe(" the"u8.ToArray());
        s_tokenizer.TokenBytes(99999).ShouldBeEmpty();
    }

    [Fact]
    public void Encode_AddedTokensInText_AreCutOutFirst() =>
        s_tokenizer.Encode("<|im_start|>the<|im_end|>", addSpecialTokens: false)
            .ShouldBe([1, s_tokenizer.TokenToId("the") ?? -1, 2]);

    [Fact]
    public void Decode_SpecialTokens_VanishOnlyOnRequest()
    {
        int[] ids = s_tokenizer.Encode("<|im_start|>tale<|im_end|>");
        s_tokenizer.Decode(ids).ShouldBe("tale");
        s_tokenizer.Decode(ids, skipSpecialTokens: false).ShouldBe("<|endoftext|><|im_start|>tale<|im_end|>");
    }
}

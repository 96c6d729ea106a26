using System.Text.Json.Nodes;
using Octavo.Testing;

namespace Octavo.Text.Tests;

/// <summary>Tokenizers in GGUF files, against what llama.cpp gave.</summary>
public sealed class GgufTokenizerTests
{
    [Theory]
    [InlineData("vocab-bert")]
    [InlineData("vocab-gpt2-llama-bpe")]
    [InlineData("vocab-gpt2-qwen2")]
    [InlineData("vocab-llama")]
    [InlineData("vocab-t5")]
    public void Encode_SmallVocabulary_GivesTheRecordedIds(string name)
    {
        string folder = SharedData.Require($"gguf/models/{name}");
        Tokenizer tokenizer = Tokenizer.LoadFile(Path.Combine(folder, "model.gguf"));
        JsonNode recorded = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "tokens.json")))!;
        foreach (JsonNode? item in recorded["texts"]!.AsArray())
        {
            string text = item!["text"]!.GetValue<string>();
            Check("ids", new EncodeOptions { AddSpecialTokens = false });
            Check("ids_with_bos_eos", new EncodeOptions());

            void Check(string field, EncodeOptions options) => tokenizer.Encode(text, options).ShouldBe(
                item[field]!.AsArray().Select(id => id!.GetValue<int>()), $"{field} of '{text}'");
        }
    }

    [Fact]
    public void LoadFile_PublishedModel_HasItsTokensAndTemplate()
    {
        Tokenizer tokenizer = Tokenizer.LoadFile(
            SharedData.Require("third-party/models/SmolLM2-135M-Instruct.Q4_1.gguf"));
        tokenizer.VocabSize.ShouldBe(49152);
        tokenizer.ChatTemplateSource.ShouldNotBeNull().ShouldContain("<|im_start|>");
        tokenizer.EosToken.ShouldBe("<|im_end|>");
        int[] ids = tokenizer.Encode("<|im_start|>user\nIt's 2024!<|im_end|>");
        ids[0].ShouldBe(1);
        ids[^1].ShouldBe(2);
        tokenizer.Decode(ids, skipSpecialTokens: false).ShouldBe("<|im_start|>user\nIt's 2024!<|im_end|>");
    }

    [Theory]
    [InlineData(4)]
    [InlineData(40)]
    [InlineData(700)]
    public void LoadFile_CutShort_NamesTheFile(int length)
    {
        byte[] whole = File.ReadAllBytes(SharedData.Require("gguf/models/vocab-llama/model.gguf"));
        using TemporaryDirectory directory = new();
        string path = Path.Combine(directory.Path, "model.gguf");
        File.WriteAllBytes(path, whole[..length]);
        Should.Throw<TokenizerFormatException>(() => Tokenizer.LoadFile(path)).Message.ShouldContain("cut short");
    }
}

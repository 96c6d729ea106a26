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
    [InlineData("llama-bpe", new[] { 256, 'a' })]
    [InlineData("midm-2.0", new[] { 256, 'a' })]
    [InlineData("qwen2", new int[] { 'a' })]
    [InlineData("exaone4", new int[] { 'a' })]
    [InlineData("superbpe", new int[] { 'a' })]
    [InlineData("exaone-moe", new int[] { 'a' })]
    public void LoadFile_KeysThatAreLeftOut_AreWhatThePreTokenizerHas(string pre, int[] expected)
    {
        using TemporaryDirectory directory = new();
        string path = Path.Combine(directory.Path, "model.gguf");
        WriteBytesVocabulary(path, pre);
        Tokenizer tokenizer = Tokenizer.LoadFile(path);
        tokenizer.Encode("a").ShouldBe(expected);
        tokenizer.Encode("1234567 it's\n\n", addSpecialTokens: false).Length.ShouldBe(14);
        tokenizer.ChatTemplates.ByName.ShouldBe(
            new Dictionary<string, string> { ["default"] = "D", ["tool_use"] = "T" }, ignoreOrder: true);
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

    // A token for each byte, at its id, and BOS behind them.
    private static void WriteBytesVocabulary(string path, string pre)
    {
        const uint Unsigned = 4, Text = 8, List = 9;
        using BinaryWriter file = new(File.Create(path));
        file.Write("GGUF"u8);
        file.Write(3u);
        file.Write(0UL);
        file.Write(8UL);
        WriteKey("tokenizer.ggml.model", Text);
        WriteText("gpt2");
        WriteKey("tokenizer.ggml.pre", Text);
        WriteText(pre);
        WriteTexts("tokenizer.ggml.tokens", [
            .. Enumerable.Range(0, 256).Select(b => Tokens.ByteAlphabet.CharOf((byte)b).ToString()), "<s>"]);
        WriteTexts("tokenizer.ggml.merges", []);
        WriteKey("tokenizer.ggml.bos_token_id", Unsigned);
        file.Write(256u);
        WriteKey("tokenizer.chat_template", Text);
        WriteText("D");
        WriteTexts("tokenizer.chat_templates", ["tool_use"]);
        WriteKey("tokenizer.chat_template.tool_use", Text);
        WriteText("T");

        void WriteKey(string name, uint type)
        {
            WriteText(name);
            file.Write(type);
        }

        void WriteTexts(string name, string[] texts)
        {
            WriteKey(name, List);
            file.Write(Text);
            file.Write((ulong)texts.Length);
            Array.ForEach(texts, WriteText);
        }

        void WriteText(string text)
        {
            byte[] utf8 = System.Text.Encoding.UTF8.GetBytes(text);
            file.Write((ulong)utf8.Length);
            file.Write(utf8);
        }
    }
}

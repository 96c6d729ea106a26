using Octavo.Testing;

namespace Octavo.Text.Tests;

/// <summary>Against the vectors that llama.cpp ships beside its vocabularies.</summary>
public sealed class LlamaCppVectorTests
{
    internal const string Llama3 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        + @"|\s*[\r\n]+|\s+(?!\S)|\s+";

    [Theory]
    [InlineData("gpt-2")]
    [InlineData("llama-bpe")]
    [InlineData("llama-spm")]
    [InlineData("qwen2")]
    public void Encode_LlamaCppVectors_GivesTheirIds(string name)
    {
        string gguf = SharedData.Require($"third-party/tokenizers/ggml-vocab-{name}.gguf");
        string[] texts = File.ReadAllText(SharedData.Require($"third-party/tokenizers/ggml-vocab-{name}.gguf.inp"))
            .Split("\n__ggml_vocab_test__\n");
        string[] lines = File.ReadAllText(SharedData.Require($"third-party/tokenizers/ggml-vocab-{name}.gguf.out"))
            .Split('\n');
        Tokenizer tokenizer = Tokenizer.LoadFile(gguf);

        lines.Length.ShouldBe(texts.Length);
        for (int i = 0; i < texts.Length; i++)
        {
            int[] expected = [.. lines[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
            int[] actual = tokenizer.Encode(texts[i], addSpecialTokens: false);
            actual.ShouldBe(expected, $"text {i}: {texts[i]}");
            tokenizer.Decode(actual).ShouldBe(texts[i]);
        }
    }
}

using Octavo.Testing;

namespace Octavo.Text.Tests;

/// <summary>Vocabularies that have no tokenizer.json.</summary>
public sealed class VocabularyFilesTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("""{"bos_token": "<|endoftext|>"}""", false)]
    [InlineData("""{"bos_token": {"content": "<|endoftext|>", "normalized": true}, "add_bos_token": true}""", true)]
    public void Encode_VocabAndMerges_PutsBosFirstOnlyWhereAsked(string config, bool hasBos)
    {
        Tokenizer tokenizer = LoadGpt2(config);
        int[] plain = tokenizer.Encode("Hello world", addSpecialTokens: false);
        tokenizer.Encode("Hello world").ShouldBe(hasBos ? [0, .. plain] : plain);
        tokenizer.Encode("x<|endoftext|>", addSpecialTokens: false)[^1].ShouldBe(0);
        tokenizer.Decode(plain).ShouldBe("Hello world");
    }

    [Fact]
    public void Encode_AddPrefixSpace_PutsABlankFirst()
    {
        int[] spaced = LoadGpt2("{}").Encode(" Hello");
        LoadGpt2("""{"add_prefix_space": true}""").Encode("Hello").ShouldBe(spaced);
    }

    [Theory]
    [InlineData("a b c")]
    [InlineData("Hello nonsense")]
    public void Load_BadMerge_NamesTheLine(string merge)
    {
        string made = SharedData.Require("tokenizers/made/gpt2-files");
        File.Copy(Path.Combine(made, "vocab.json"), Path.Combine(_directory.Path, "vocab.json"));
        _directory.Write("merges.txt", $"#version: 0.2\n{merge}\n");
        TokenizerFormatException error =
            Should.Throw<TokenizerFormatException>(() => Tokenizer.Load(_directory.Path));
        error.File.ShouldEndWith("merges.txt");
        error.Field.ShouldBe("line 2");
    }

    [Fact]
    public void Load_VocabWithoutMerges_NamesTheMissingFile()
    {
        _directory.Write("vocab.json", """{"a": 0}""");
        Should.Throw<TokenizerFormatException>(() => Tokenizer.Load(_directory.Path)).File.ShouldEndWith("merges.txt");
    }

    [Fact]
    public void Encode_BertVocabulary_LowersAndCutsWords()
    {
        _directory.Write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\n!\ncafe\n");
        Tokenizer tokenizer = Tokenizer.Load(_directory.Path);
        tokenizer.Encode("Unaffable Café! xyz [MASK]").ShouldBe([2, 5, 6, 7, 9, 8, 1, 4, 3]);
        tokenizer.Decode([2, 5, 6, 7, 9, 8, 3]).ShouldBe("unaffable cafe!");
    }

    [Fact]
    public void Encode_SentencePieceAfterSpecialToken_KeepsItsBlankUnlessNotLegacy()
    {
        string made = SharedData.Require("tokenizers/made/sp-bpe-llama");
        File.Copy(Path.Combine(made, "tokenizer.model"), Path.Combine(_directory.Path, "tokenizer.model"));
        Tokenizer legacy = Tokenizer.Load(_directory.Path);
        int[] word = legacy.Encode("the", addSpecialTokens: false);
        legacy.Encode("<s>the", addSpecialTokens: false).ShouldBe([legacy.TokenToId("<s>")!.Value, .. word]);
        legacy.Encode("the").ShouldBe([legacy.TokenToId("<s>")!.Value, .. word]);

        _directory.Write("tokenizer_config.json", """{"legacy": false, "add_bos_token": false}""");
        Tokenizer tokenizer = Tokenizer.Load(_directory.Path);
        tokenizer.Encode("the").ShouldBe(word);
        int[] after = tokenizer.Encode("<s>the");
        after[1..].ShouldNotBe(word);
        tokenizer.Decode(after[1..]).ShouldBe("the");
    }

    private Tokenizer LoadGpt2(string config)
    {
        string made = SharedData.Require("tokenizers/made/gpt2-files");
        foreach (string name in new[] { "vocab.json", "merges.txt" })
        {
            File.Copy(Path.Combine(made, name), Path.Combine(_directory.Path, name), overwrite: true);
        }

        _directory.Write("tokenizer_config.json", config);
        return Tokenizer.Load(_directory.Path);
    }
}

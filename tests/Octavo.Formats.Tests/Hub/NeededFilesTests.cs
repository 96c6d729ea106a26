using Octavo.Formats.Hub;

namespace Octavo.Formats.Tests.Hub;

public sealed class NeededFilesTests : IDisposable
{
    private static readonly string Commit = new('0', 40);
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(
        "README.md .gitattributes config.json generation_config.json tokenizer.json tokenizer_config.json LICENSE "
            + "model.safetensors pytorch_model.bin tf_model.h5 flax_model.msgpack onnx/model.onnx "
            + "original/consolidated.00.pth original/tokenizer.model training_args.bin",
        "config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json")]
    [InlineData(
        "config.json tokenizer.model chat_template.jinja additional_chat_templates/tool_use.jinja "
            + "additional_chat_templates/README.md consolidated.safetensors model-1.safetensors model-2.safetensors "
            + "model.safetensors.index.json params.json",
        "additional_chat_templates/tool_use.jinja chat_template.jinja config.json model-1.safetensors "
            + "model-2.safetensors model.safetensors.index.json tokenizer.model")]
    [InlineData("config.json vocab.json merges.txt pytorch_model.bin tf_model.h5",
        "config.json merges.txt pytorch_model.bin vocab.json")]
    [InlineData("config.json pytorch_model.bin.index.json model-1.bin model-2.bin",
        "config.json model-1.bin model-2.bin pytorch_model.bin.index.json")]
    [InlineData("config.json pytorch_model-1.bin pytorch_model-2.bin optimizer.bin",
        "config.json pytorch_model-1.bin pytorch_model-2.bin")]
    [InlineData("config.json pytorch_model.bin onnx/model.safetensors", "config.json pytorch_model.bin")]
    [InlineData("config.json a.safetensors b.safetensors x/c.safetensors", "a.safetensors b.safetensors config.json")]
    [InlineData("config.json model.safetensors x-Q4_K_M.gguf", "config.json model.safetensors")]
    [InlineData("config.json x-Q4_K_M.gguf mmproj-F16.gguf", "x-Q4_K_M.gguf")]
    [InlineData("x-Q4_K_M-00001-of-00002.gguf x-Q4_K_M-00002-of-00002.gguf README.md",
        "x-Q4_K_M-00001-of-00002.gguf x-Q4_K_M-00002-of-00002.gguf")]
    public void Choose_AName_TakesWhatLoadingReads(string files, string expected) =>
        Choose("o/n", files).ShouldBe(expected);

    [Fact]
    public void Choose_AnIndexLeftBehind_TakesTheSingleFile() => Choose(
        "o/n", "config.json model.safetensors model.safetensors.index.json", shards: ["old-1", "old-2"])
        .ShouldBe("config.json model.safetensors model.safetensors.index.json");

    [Fact]
    public void Choose_AnIndexThatNamesAMissingFile_NamesIt() => Should.Throw<HubException>(() => Choose(
        "o/n", "config.json model-1.safetensors model.safetensors.index.json", shards: ["model-1", "model-2"]))
        .Message.ShouldContain(
            "the repository has no file model-2.safetensors, which its model.safetensors.index.json names");

    [Theory]
    [InlineData("q4_k_m", "m-Q4_K_M.gguf")]
    [InlineData("Q4_K", "")]                                   // a part of other names only
    [InlineData("Q4_K_S", "m-Q4_K_S.gguf")]
    [InlineData("UD-Q4_K_XL", "m-UD-Q4_K_XL.gguf")]
    [InlineData("Q4_K_XL", "m-UD-Q4_K_XL.gguf")]
    [InlineData("IQ4_XS", "m-IQ4_XS.gguf")]
    [InlineData("Q4_XS", "")]
    [InlineData("bf16", "BF16/m-BF16-00001-of-00002.gguf BF16/m-BF16-00002-of-00002.gguf")]
    [InlineData("f16", "m.f16.gguf")]
    [InlineData("Q8_0", "m-Q8_0.gguf")]
    [InlineData("mxfp4_moe", "m-mxfp4_moe.gguf")]
    [InlineData("Q6_K", "")]                                   // a part is missing
    [InlineData("Q5_K_M", "")]                                 // there are two
    [InlineData("m-a-Q5_K_M", "m-a-Q5_K_M.gguf")]
    public void Choose_AQuantization_TakesItsFilesAlone(string quantization, string expected)
    {
        const string files = "m-Q4_K_M.gguf m-Q4_K_S.gguf m-UD-Q4_K_XL.gguf m-IQ4_XS.gguf m.f16.gguf mmproj-f16.gguf "
            + "BF16/m-BF16-00001-of-00002.gguf BF16/m-BF16-00002-of-00002.gguf m-Q8_0.gguf imatrix-Q8_0.gguf "
            + "m-mxfp4_moe.gguf m-Q6_K-00001-of-00002.gguf m-a-Q5_K_M.gguf m-b-Q5_K_M.gguf config.json";
        if (expected.Length > 0)
        {
            Choose("o/n:" + quantization, files).ShouldBe(expected);
        }
        else
        {
            HubException e = Should.Throw<HubException>(() => Choose("o/n:" + quantization, files));
            e.Failure.ShouldBe(HubFailure.NoModel);
            e.Message.ShouldContain(quantization switch
            {
                "Q6_K" => "m-Q6_K-00001-of-00002.gguf is one of several parts, and not all of them are there",
                "Q5_K_M" => "the repository has several GGUF files of Q5_K_M: m-a-Q5_K_M.gguf, m-b-Q5_K_M.gguf",
                _ => $"the repository has no GGUF file of {quantization}; it has BF16, F16, IQ4_XS",
            });
        }
    }

    [Theory]
    [InlineData("a-Q4_0.gguf a-Q8_0.gguf", "has several GGUF files: name one, as o/n:Q4_0; it has Q4_0, Q8_0")]
    [InlineData("README.md", "the repository has neither config.json nor a GGUF file")]
    [InlineData("config.json tokenizer.json", "has no weights")]
    public void Choose_WhatCannotBeChosen_SaysWhatThereIs(string files, string words) =>
        Should.Throw<HubException>(() => Choose("o/n", files)).Message.ShouldContain(words);

    [Fact]
    public void Choose_ForTextAlone_TakesNoWeights()
    {
        HubListing listing = Listing(
            "config.json tokenizer.json model.safetensors.index.json model-1.safetensors chat_template.jinja");
        NeededFiles.BeforeWeights(new HubName("o/n"), listing, ModelParts.Text).Select(file => file.Path)
            .ShouldBe(["config.json", "tokenizer.json", "chat_template.jinja"]);
        NeededFiles.BeforeWeights(new HubName("o/n"), Listing("x-Q4_0.gguf"), ModelParts.Text)
            .ShouldHaveSingleItem().Path.ShouldBe("x-Q4_0.gguf");
    }

    private string Choose(string name, string files, string[]? shards = null)
    {
        HubName parsed = HubName.Parse(name);
        HubListing listing = Listing(files);
        IEnumerable<HubFile> chosen = NeededFiles.BeforeWeights(parsed, listing, ModelParts.All)
            .Concat(NeededFiles.Weights(parsed, listing, file =>
            {
                string end = file.Path.Contains(".bin") ? ".bin" : ".safetensors";
                var map = (shards ?? ["model-1", "model-2"]).Select((s, i) => $"\"t{i}\": \"{s}{end}\"");
                return _directory.Write("index", $"{{\"weight_map\": {{{string.Join(',', map)}}}}}");
            }));
        return string.Join(' ', chosen.Select(file => file.Path).Order(StringComparer.Ordinal));
    }

    private static HubListing Listing(string files) =>
        new(Commit, [.. files.Split(' ').Select(path => new HubFile(path, null, null, null))]);
}

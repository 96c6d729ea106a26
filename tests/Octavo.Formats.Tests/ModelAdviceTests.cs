namespace Octavo.Formats.Tests;

public sealed class ModelAdviceTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("meta-llama/Llama-3.2-1B-Instruct", "name it as there: meta-llama/Llama-3.2-1B-Instruct")]
    [InlineData("https://huggingface.co/meta-llama/Llama-3.2-1B", "name it as there: meta-llama/Llama-3.2-1B")]
    [InlineData("https://huggingface.co/facebook/opt-125m/tree/main", "name it as there: facebook/opt-125m")]
    [InlineData("hf.co/facebook/opt-125m", "name it as there: facebook/opt-125m")]
    [InlineData("gpt2", "has two parts: ORG/gpt2")]
    [InlineData("bert-base-uncased", "has two parts: ORG/bert-base-uncased")]
    [InlineData("hf://facebook/opt-125m", "name it as there: facebook/opt-125m")]
    [InlineData("bartowski/Llama-3.2-1B-GGUF", "name it as there: bartowski/Llama-3.2-1B-GGUF:QUANT")]
    [InlineData("hf.co/unsloth/Llama-3.2-1B:Q4_K_M", "name it as there: unsloth/Llama-3.2-1B:Q4_K_M")]
    [InlineData("https://huggingface.co/a/b/resolve/main/x.Q4_0.gguf", "name it as there: a/b:QUANT")]
    [InlineData("/no/such/x.gguf", "no such directory or file")]
    [InlineData("https://example.com/model.zip", "it is an address")]
    public void Open_NoDirectoryButAName_SaysWhatItIsAndWhatToDo(string name, string words)
    {
        string message = Should.Throw<CheckpointException>(() => ModelSource.Open(name)).Message;
        message.ShouldContain("there is no such directory");
        message.ShouldContain(words);
    }

    [Theory]
    [InlineData("/no/such")]
    [InlineData("./a/b")]
    [InlineData("models")]
    [InlineData("a/b/c")]
    public void About_AnOrdinaryPathThatIsNotThere_IsNothing(string path) => ModelAdvice.About(path).ShouldBeNull();

    [Theory]
    [InlineData("pytorch_model.bin", "PK", "name the directory that it is in")]
    [InlineData("consolidated.00.pth", "PK", "save_pretrained")]
    [InlineData("model.safetensors", "x", "name the directory that it is in")]
    [InlineData("config.json", "{}", "name the directory that it is in")]
    public void Open_AFile_SaysWhatItIs(string name, string content, string words)
    {
        string message =
            Should.Throw<CheckpointException>(() => ModelSource.Open(_directory.Write(name, content))).Message;
        message.ShouldContain("is a file");
        message.ShouldContain(words);
    }

    [Theory]
    [InlineData("consolidated.00.pth", "PyTorch weights")]
    [InlineData("model.pt", "PyTorch weights")]
    public void Open_DirectoryWithoutSafetensors_SaysWhatIsInIt(string name, string words)
    {
        _directory.Write(name, "x");
        Should.Throw<CheckpointException>(() => ModelSource.Open(_directory.Root)).Message.ShouldContain(words);
        _directory.Write("config.json", "{}");
        Should.Throw<CheckpointException>(() => ModelSource.Open(_directory.Root).OpenCheckpoint()).Message
            .ShouldContain(words);
    }

    [Fact]
    public void Open_DirectoryOfSeveralGgufFiles_NamesThem()
    {
        _directory.Write("x.Q8_0.gguf", "x");
        _directory.Write("x.Q4_K_M.gguf", "x");
        Should.Throw<CheckpointException>(() => ModelSource.Open(_directory.Root)).Message
            .ShouldContain("name one of the files: x.Q4_K_M.gguf, x.Q8_0.gguf");
    }

    [Theory]
    [InlineData("model.gguf", "anything of some length, but no GGUF", "it does not begin with GGUF")]
    [InlineData("model", "GGUF\u0003\0\0\0", "fewer than the 24 of a GGUF header")]
    public void Open_WhatIsNoGgufFile_SaysSo(string name, string content, string words) =>
        Should.Throw<CheckpointException>(() => ModelSource.Open(_directory.Write(name, content))).Message
            .ShouldContain(words);

    [Fact]
    public void Open_CacheOfTheHub_NamesTheSnapshot()
    {
        string snapshot = Directory.CreateDirectory(Path.Combine(_directory.Root, "snapshots", "0a1b")).FullName;
        Should.Throw<CheckpointException>(() => ModelSource.Open(_directory.Root)).Message.ShouldContain(snapshot);
    }

    [Fact]
    public void Open_PointerOfGitLfs_SaysSo()
    {
        _directory.Write("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n");
        Should.Throw<CheckpointException>(() => Checkpoint.Open(_directory.Root)).Message.ShouldContain("git lfs pull");
    }
}

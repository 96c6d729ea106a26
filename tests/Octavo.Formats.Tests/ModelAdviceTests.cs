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
    [InlineData("llama-3.Q4_0.gguf", "it would be a model in GGUF")]
    [InlineData("hf://facebook/opt-125m", "name it as there: facebook/opt-125m")]
    [InlineData("bartowski/Llama-3.2-1B-Instruct-GGUF", "GGUF, which is not read yet")]
    [InlineData("unsloth/Llama-3.2-1B-Instruct:Q4_K_M", "GGUF, which is not read yet")]
    [InlineData("hf.co/unsloth/Llama-3.2-1B-Instruct:Q4_K_M", "GGUF, which is not read yet")]
    [InlineData("https://huggingface.co/a/b/resolve/main/x.Q4_0.gguf", "GGUF, which is not read yet")]
    [InlineData("/no/such/x.gguf", "GGUF, which is not read yet")]
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
    [InlineData("model.gguf", "anything", "GGUF, which is not read yet")]
    [InlineData("model", "GGUF\u0003\0\0\0", "GGUF, which is not read yet")]
    [InlineData("pytorch_model.bin", "PK", "save_pretrained")]
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
    [InlineData("x.Q4_K_M.gguf", "'x.Q4_K_M.gguf', a model in GGUF, which is not read yet")]
    [InlineData("pytorch_model-00001-of-00002.bin", "PyTorch weights")]
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

namespace Octavo.Formats.Tests;

public sealed class CheckpointTests : IDisposable
{
    private const string Index = "model.safetensors.index.json";
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Get_UnknownName_NamesPathAndTensor()
    {
        Shard("model.safetensors", "x");
        using Checkpoint checkpoint = Checkpoint.Open(_directory.Root);
        CheckpointException error = Should.Throw<CheckpointException>(() => checkpoint.Get("y"));
        error.Tensor.ShouldBe("y");
        error.Message.ShouldContain(_directory.Root);
        error.Message.ShouldContain("'y'");
        checkpoint.Contains("y").ShouldBeFalse();
        checkpoint.TryGet("y", out _).ShouldBeFalse();
        checkpoint.Contains("x").ShouldBeTrue();
    }

    [Fact]
    public void InMemory_Tensors_HoldWhatWasWritten()
    {
        using Checkpoint checkpoint = Checkpoint.InMemory(
            "made",
            [
                new TensorSource("a", TensorType.UInt8, [3], new byte[] { 1, 2, 3 }),
                new TensorSource("b", TensorType.BFloat16, [2, 2], stream => stream.Write([4, 5, 6, 7, 8, 9, 10, 11])),
            ]);

        checkpoint.Get("a").Bytes(0, 3).ToArray().ShouldBe([1, 2, 3]);
        checkpoint.Get("b").Bytes(2, 6).ToArray().ShouldBe([6, 7, 8, 9, 10, 11]);
        checkpoint.Get("b").Shape.ShouldBe([2, 2]);
        checkpoint.Get("b").ElementCount.ShouldBe(4);
        checkpoint.TotalBytes.ShouldBe(11);
        checkpoint.Files.ShouldBeEmpty();
        Should.Throw<CheckpointException>(() => checkpoint.Get("c")).Message.ShouldContain("made");
    }

    [Fact]
    public void InMemory_SameNameTwice_SaysWhich()
    {
        TensorSource tensor = new("a", TensorType.UInt8, [1], new byte[1]);

        Should.Throw<CheckpointException>(() => Checkpoint.InMemory("made", [tensor, tensor])).Tensor.ShouldBe("a");
    }

    [Fact]
    public void InMemory_AfterDispose_CannotBeRead()
    {
        Checkpoint checkpoint =
            Checkpoint.InMemory("made", [new TensorSource("a", TensorType.UInt8, [1], new byte[1])]);
        Tensor tensor = checkpoint.Get("a");
        checkpoint.Dispose();

        Should.Throw<ObjectDisposedException>(() => tensor.Bytes(0, 1).ToArray());
    }

    [Theory]
    [InlineData("""{"weight_map":{"x":"a.safetensors","y":"none.safetensors"}}""", "'none.safetensors'")]
    [InlineData("""{"weight_map":{"x":"../a.safetensors"}}""", "plain name")]
    [InlineData("""{"weight_map":{"x":"/etc/a.safetensors"}}""", "plain name")]
    [InlineData("""{"weight_map":{"x":"sub\\a.safetensors"}}""", "plain name")]
    [InlineData("""{"weight_map":{"x":"a.safetensors\u0000"}}""", "plain name")]
    [InlineData("""{"weight_map":{"x":".."}}""", "plain name")]
    [InlineData("""{"weight_map":{"x":7}}""", "plain name")]
    [InlineData("""{"weight_map":{"x":"config.json"}}""", "plain name")]
    [InlineData("""{"weight_map":{"x":"a.safetensors","x":"b.safetensors"}}""", "JSON")]
    [InlineData("""{"weight_map":{"x":"a.safetensors","z":"b.safetensors"}}""", "'z'")]
    [InlineData("""{"weight_map":{"x":"a.safetensors","y":"a.safetensors"}}""", "'y'")]
    [InlineData("""{"weight_map":{}}""", "empty")]
    [InlineData("""{"weight_map":[]}""", "weight_map")]
    [InlineData("""{}""", "weight_map")]
    [InlineData("""[]""", "object")]
    [InlineData("""{"weight_map":{"x":"\ud800.safetensors"}}""", "JSON")]
    [InlineData("", "JSON")]
    public void Open_BadIndex_SaysWhatIsWrong(string index, string words)
    {
        Shard("a.safetensors", "x");
        Shard("b.safetensors", "y");
        _directory.Write(Index, index);
        CheckpointException error = Should.Throw<CheckpointException>(() => Checkpoint.Open(_directory.Root));
        error.File.ShouldBe(_directory[Index]);
        error.Message.ShouldContain(words);
    }

    [Fact]
    public void Open_TensorInTwoShards_NamesBothFiles()
    {
        Shard("a.safetensors", "x");
        Shard("b.safetensors", "x");
        CheckpointException error = Should.Throw<CheckpointException>(() => Checkpoint.Open(_directory.Root));
        error.Message.ShouldContain("a.safetensors");
        error.Message.ShouldContain("b.safetensors");
        error.Tensor.ShouldBe("x");
    }

    [Fact]
    public void Open_IndexOverATensorInTwoShards_TakesTheOneThatTheMapNames()
    {
        Shard("a.safetensors", "x", 1);
        SafetensorsWriter.Write(
            _directory["b.safetensors"],
            [
                new TensorSource("x", TensorType.UInt8, [3], new byte[] { 2, 2, 2 }),
                new TensorSource("y", TensorType.UInt8, [1], new byte[1])
            ]);
        foreach ((string owner, byte value) in new[] { ("b.safetensors", (byte)2), ("a.safetensors", (byte)1) })
        {
            _directory.Write(Index, $$$"""{"weight_map":{"x":"{{{owner}}}","y":"b.safetensors"}}""");
            using Checkpoint checkpoint = Checkpoint.Open(_directory.Root);
            checkpoint.Get("x").Bytes(0, 1)[0].ShouldBe(value);
        }

        using Checkpoint last = Checkpoint.Open(_directory.Root);
        last.TotalBytes.ShouldBe(4);
        last.Notes.ShouldHaveSingleItem().ShouldStartWith("b.safetensors: 1 of its tensors are read from other files");
    }

    [Fact]
    public void Open_IndexBesideASingleFile_TakesTheShardsAndSaysSo()
    {
        Shard("model.safetensors", "stray");
        Shard("model-00001-of-00001.safetensors", "x");
        _directory.Write(Index, """{"weight_map":{"x":"model-00001-of-00001.safetensors"}}""");
        using Checkpoint checkpoint = Checkpoint.Open(_directory.Root);
        checkpoint.Tensors.Keys.ShouldBe(["x"]);
        checkpoint.Notes.ShouldHaveSingleItem().ShouldStartWith("model.safetensors is not read");
    }

    [Fact]
    public void Open_IndexWithoutItsShardsBesideASingleFile_TakesTheFileAndSaysSo()
    {
        Shard("model.safetensors", "x");
        _directory.Write(Index, """{"weight_map":{"x":"model-00001-of-00001.safetensors"}}""");
        using Checkpoint checkpoint = Checkpoint.Open(_directory.Root);
        checkpoint.Tensors.Keys.ShouldBe(["x"]);
        checkpoint.Notes.ShouldHaveSingleItem().ShouldContain("none of the 1 files");
    }

    [Fact]
    public void Open_IndexThatNamesTheSingleFile_HasNothingToSay()
    {
        Shard("model.safetensors", "x");
        _directory.Write(Index, """{"weight_map":{"x":"model.safetensors"}}""");
        using Checkpoint checkpoint = Checkpoint.Open(_directory.Root);
        checkpoint.Notes.ShouldBeEmpty();
    }

    [Fact]
    public void Open_TruncatedShard_NamesItAndReleasesTheOthers()
    {
        Shard("a.safetensors", "x");
        Shard("b.safetensors", "y");
        _directory.Write(Index, """{"weight_map":{"x":"a.safetensors","y":"b.safetensors"}}""");
        File.WriteAllBytes(_directory["b.safetensors"], File.ReadAllBytes(_directory["b.safetensors"])[..^1]);
        Should.Throw<CheckpointException>(() => Checkpoint.Open(_directory.Root)).File
            .ShouldBe(_directory["b.safetensors"]);
        File.Open(_directory["a.safetensors"], FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
    }

    [Fact]
    public void Open_LooseShardsWithoutIndex_TakesAll()
    {
        Shard("a.safetensors", "x");
        Shard("b.safetensors", "y");
        using Checkpoint checkpoint = Checkpoint.Open(_directory.Root);
        checkpoint.Tensors.Keys.ShouldBe(["x", "y"]);
        checkpoint.Files.ShouldBe([_directory["a.safetensors"], _directory["b.safetensors"]]);
    }

    [Fact]
    public void Open_OnlyPyTorchFilesOfOtherNames_AsksForConversion()
    {
        _directory.Write("consolidated.00.pth", "");
        string message = Should.Throw<CheckpointException>(() => Checkpoint.Open(_directory.Root)).Message;
        message.ShouldContain("consolidated.00.pth");
        message.ShouldContain("save_pretrained");
    }

    [Fact]
    public void Open_EmptyDirectory_SaysWhatWasExpected()
    {
        Should.Throw<CheckpointException>(() => Checkpoint.Open(_directory.Root)).Message
            .ShouldContain("model.safetensors");
    }

    [Fact]
    public void Open_NoSuchPath_SaysSo()
    {
        Should.Throw<CheckpointException>(() => Checkpoint.Open(_directory["none"])).Message.ShouldContain("no such");
    }

    private void Shard(string file, string tensor, byte value = 0) =>
        SafetensorsWriter.Write(
            _directory[file], [new TensorSource(tensor, TensorType.UInt8, [3], new[] { value, value, value })]);

    /// <summary>What is let go is still there: a page of a file comes back, memory that is in no file stays.</summary>
    [Fact]
    public void LetGo_Tensor_ReadsTheSameAfterwards()
    {
        byte[] bytes = new byte[1 << 20];
        new Random(1).NextBytes(bytes);
        var source = new TensorSource("t", TensorType.UInt8, [bytes.Length], bytes);
        SafetensorsWriter.Write(_directory["model.safetensors"], [source]);
        using var file = Checkpoint.Open(_directory.Root);
        using var memory = Checkpoint.InMemory("m", [source]);
        foreach (Tensor tensor in (Tensor[])[file.Get("t"), memory.Get("t")])
        {
            tensor.LetGo();
            tensor.Bytes(0, bytes.Length).SequenceEqual(bytes).ShouldBeTrue(tensor.File);
        }
    }
}

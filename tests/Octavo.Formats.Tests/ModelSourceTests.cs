using Octavo.Testing;

namespace Octavo.Formats.Tests;

public sealed class ModelSourceTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Open_TalesModel_FindsEverything()
    {
        ModelSource model = ModelSource.Open(Repository.TalesModel);
        model.Has("tokenizer.json").ShouldBeTrue();
        model.NameOf("tokenizer.json").ShouldBe(Path.Combine(Repository.TalesModel, "tokenizer.json"));
        model.Read("chat_template.jinja").ShouldBeNull();
        model.Config.Size("hidden_size", 1024).ShouldBe(256);
        model.Generation.Temperature.ShouldBe(0.7f);
        model.Generation.TopP.ShouldBe(0.95f);
        model.Generation.MaxNewTokens.ShouldBe(480);
        model.Generation.EosTokenIds.ShouldBe([0]);
        model.Generation.PadTokenId.ShouldBe(3);
        model.Generation.TopK.ShouldBeNull();
        using Checkpoint checkpoint = model.OpenCheckpoint();
        checkpoint.Get("model.embed_tokens.weight").Type.ShouldBe(TensorType.BFloat16);
    }

    [Fact]
    public void Open_NoGenerationConfig_HasEmptyDefaults()
    {
        _directory.Write("config.json", "\uFEFF{}");
        ModelSource model = ModelSource.Open(_directory.Root);
        model.Generation.EosTokenIds.ShouldBeEmpty();
        model.Generation.Temperature.ShouldBeNull();
        model.Has("tokenizer.json").ShouldBeFalse();
    }

    [Fact]
    public void Open_EosAsListAndNulls_AreRead()
    {
        _directory.Write("config.json", "{}");
        _directory.Write(
            "generation_config.json",
            """
            {"eos_token_id":[5,6],"temperature":null,"min_p":0.1,"top_k":50,"repetition_penalty":1,"pad_token_id":-1}
            """);
        GenerationDefaults generation = ModelSource.Open(_directory.Root).Generation;
        generation.EosTokenIds.ShouldBe([5, 6]);
        generation.Temperature.ShouldBeNull();
        generation.MinP.ShouldBe(0.1f);
        generation.TopK.ShouldBe(50);
        generation.RepetitionPenalty.ShouldBe(1f);
        generation.PadTokenId.ShouldBeNull();     // -1 is how some files say that there is none
    }

    [Theory]
    [InlineData("""[1]""", "object")]
    [InlineData("""{"temperature":}""", "JSON")]
    public void Open_GenerationConfigThatIsNoObject_NamesIt(string json, string words)
    {
        _directory.Write("config.json", "{}");
        _directory.Write("generation_config.json", json);
        CheckpointException error = Should.Throw<CheckpointException>(() => ModelSource.Open(_directory.Root));
        error.File.ShouldBe(_directory["generation_config.json"]);
        error.Message.ShouldContain(words);
    }

    [Fact]
    public void Open_NoConfig_NamesIt()
    {
        string message = Should.Throw<CheckpointException>(() => ModelSource.Open(_directory.Root)).Message;
        message.ShouldContain("config.json");
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{\"a\":\"\\ud800\"}")]
    [InlineData("{")]
    public void Open_ConfigIsNoObject_NamesIt(string json)
    {
        _directory.Write("config.json", json);
        Should.Throw<CheckpointException>(() => ModelSource.Open(_directory.Root))
            .File.ShouldBe(_directory["config.json"]);
    }

    [Fact]
    public void Open_FileOrNothing_SaysWhichWasExpected()
    {
        string file = _directory.Write("a", "");
        Should.Throw<CheckpointException>(() => ModelSource.Open(file)).Message.ShouldContain("is a file");
        Should.Throw<CheckpointException>(() => ModelSource.Open(_directory["b"])).Message.ShouldContain("no such");
    }

    [Fact]
    public void Open_EveryGoldenDirectory_ReadsAllTensors()
    {
        foreach (string path in Directory.GetDirectories(SharedData.Require("golden")))
        {
            ModelSource model = ModelSource.Open(path);
            using Checkpoint checkpoint = model.OpenCheckpoint();
            checkpoint.Tensors.Count.ShouldBeGreaterThan(10, path);
            checkpoint.TotalBytes.ShouldBe(checkpoint.Tensors.Values.Sum(tensor => tensor.ByteLength));
            foreach (Tensor tensor in checkpoint.Tensors.Values)
            {
                tensor.Bytes(0, (int)tensor.ByteLength).IndexOfAnyExcept((byte)0).ShouldBeGreaterThanOrEqualTo(-1);
                tensor.ElementCount.ShouldBe(tensor.Shape.Aggregate(1L, (a, b) => a * b), tensor.Name);
            }
        }
    }

    [Fact]
    public void Open_ShardedGolden_HoldsTheTensorsOfTheSingleFile()
    {
        using Checkpoint single = Checkpoint.Open(SharedData.Require("golden/llama"));
        using Checkpoint sharded = Checkpoint.Open(SharedData.Require("golden/llama-sharded"));
        sharded.Files.Count.ShouldBe(3);
        sharded.Tensors.Keys.ShouldBe(single.Tensors.Keys, ignoreOrder: true);
        foreach (Tensor tensor in single.Tensors.Values)
        {
            Tensor twin = sharded.Get(tensor.Name);
            twin.Bytes(0, (int)twin.ByteLength).SequenceEqual(tensor.Bytes(0, (int)tensor.ByteLength)).ShouldBeTrue();
        }
    }
}

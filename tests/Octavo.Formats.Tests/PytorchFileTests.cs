using System.Text;

namespace Octavo.Formats.Tests;

/// <summary>Files that PyTorch itself wrote (Pytorch/make.py), and what must not be believed.</summary>
public sealed class PytorchFileTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("archive.bin")]
    [InlineData("legacy.bin")]
    [InlineData("wrapped.bin")]
    [InlineData("protocol4.bin")]
    public void Open_EveryForm_GivesTheTensors(string name)
    {
        using Checkpoint checkpoint = Checkpoint.Open(PathOf(name));
        float[] halves = [.. Enumerable.Range(0, 24).Select(i => i / 2f)];
        foreach ((string tensor, TensorType type) in new[]
        {
            ("float32", TensorType.Float32), ("float16", TensorType.Float16), ("bfloat16", TensorType.BFloat16),
            ("float64", TensorType.Float64),
        })
        {
            checkpoint.Get(tensor).Type.ShouldBe(type);
            checkpoint.Get(tensor).Shape.ShouldBe([4, 6]);
            Read(tensor).ShouldBe(halves, tensor);
        }

        Read("view").ShouldBe(halves[6..12]);
        checkpoint.Get("transposed").Shape.ShouldBe([6, 4]);
        Read("transposed").ShouldBe([.. Enumerable.Range(0, 24).Select(i => halves[(i % 4 * 6) + (i / 4)])]);
        Read("strided").ShouldBe([.. Enumerable.Range(0, 12).Select(i => halves[(i / 3 * 6) + (i % 3 * 2)])]);
        Read("parameter").ShouldBe([0, 1, 2, 3, 4, 5]);
        Read("tied").ShouldBe([0, 1, 2, 3, 4, 5]);
        Read("scalar").ShouldBe([7.5f]);
        checkpoint.Get("empty").Shape.ShouldBe([0, 3]);
        checkpoint.Get("int64").Type.ShouldBe(TensorType.Int64);
        checkpoint.Tensors.Count.ShouldBe(12);

        float[] Read(string tensor)
        {
            Tensor found = checkpoint.Get(tensor);
            float[] values = new float[found.ElementCount];
            ElementConversion.ToFloat32(found.Type, found.Bytes(0, (int)found.ByteLength), values);
            return values;
        }
    }

    [Fact]
    public void Open_StateOfAModule_IsReadDespiteItsAttributes()
    {
        using Checkpoint checkpoint = Checkpoint.Open(PathOf("module.bin"));
        checkpoint.Tensors.Keys.Order().ShouldBe(["bias", "weight"]);
    }

    [Theory]
    [InlineData("hostile.bin")]
    [InlineData("hostile-legacy.bin")]
    public void Open_APickleThatWouldRunACommand_IsRefusedByItsName(string name) =>
        Should.Throw<CheckpointException>(() => Checkpoint.Open(PathOf(name)).Dispose()).Message
            .ShouldContain("refers to posix.system");

    [Theory]
    [InlineData("cos\nsystem\n(S'true'\ntR.", "os.system")]
    [InlineData("(S'true'\nios\nsystem\n.", "os.system")]
    [InlineData("cbuiltins\neval\n(S'1'\ntR.", "builtins.eval")]
    [InlineData("\u0080\u0004\u008c\u0002os\u008c\u0006system\u0093.", "os.system")]
    [InlineData("ctorch._utils\n_rebuild_tensor_v2\n.", "no file of torch.save")]
    [InlineData("(((((", "cut short")]
    [InlineData("NR...", "more than there is")]
    [InlineData("\u0082\u0001...", "opcode 0x82")]
    public void Open_AnyPickle_IsReadOrRefused(string pickle, string words)
    {
        string path = _directory.Write("pytorch_model.bin", Encoding.Latin1.GetBytes(pickle));
        Should.Throw<CheckpointException>(() => Checkpoint.Open(path).Dispose()).Message.ShouldContain(words);
    }

    [Fact]
    public void Open_Directory_TakesShardsOrTheOneFileAndSafetensorsFirst()
    {
        File.Copy(PathOf("archive.bin"), _directory["pytorch_model.bin"]);
        using (Checkpoint one = Checkpoint.Open(_directory.Root))
        {
            one.Tensors.Count.ShouldBe(12);
        }

        File.Copy(PathOf("module.bin"), _directory["pytorch_model-00001-of-00001.bin"]);
        _directory.Write(
            "pytorch_model.bin.index.json", """{"weight_map": {"weight": "pytorch_model-00001-of-00001.bin"}}""");
        using (Checkpoint sharded = Checkpoint.Open(_directory.Root))
        {
            sharded.Tensors.Keys.Order().ShouldBe(["bias", "weight"]);
        }

        SafetensorsWriter.Write(
            _directory["model.safetensors"], [new TensorSource("w", TensorType.UInt8, [1], new byte[] { 1 })]);
        using Checkpoint safetensors = Checkpoint.Open(_directory.Root);
        safetensors.Tensors.Keys.ShouldBe(["w"]);
    }

    [Theory]
    [InlineData("archive.bin")]
    [InlineData("legacy.bin")]
    public void Open_MutatedFiles_AreReadOrRefused(string name)
    {
        byte[] whole = File.ReadAllBytes(PathOf(name));
        int count = Environment.GetEnvironmentVariable("OCTAVO_EXTENSIVE") == "1" ? 20_000 : 1_000;
        var random = new Random(1);
        for (int i = 0; i < count; i++)
        {
            byte[] mutated = i % 4 == 0 ? whole[..random.Next(whole.Length)] : [.. whole];
            for (int changes = random.Next(0, 4); changes > 0 && mutated.Length > 0; changes--)
            {
                mutated[random.Next(mutated.Length)] = (byte)random.Next(256);
            }

            string path = _directory.Write("mutated.bin", mutated);
            try
            {
                using Checkpoint checkpoint = Checkpoint.Open(path);
                checkpoint.Tensors.Values.ShouldAllBe(tensor => tensor.ByteLength <= 1 << 20);
            }
            catch (CheckpointException e)
            {
                e.Message.ShouldStartWith(path);
            }
        }
    }

    private static string PathOf(string name) => Path.Combine(AppContext.BaseDirectory, "Pytorch", name);
}

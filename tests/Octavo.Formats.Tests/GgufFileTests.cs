using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Octavo.Formats.Gguf;
using Octavo.Testing;

namespace Octavo.Formats.Tests;

/// <summary>GGUF files: values of every type as gguf-py gives them, and what is wrong with damaged ones.</summary>
public sealed class GgufFileTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void ToFloat32_EveryType_GivesTheRecordedBits()
    {
        using Checkpoint checkpoint = Checkpoint.Open(SharedData.Require("gguf/types.gguf"));
        JsonElement recorded = Json("gguf/types.json").GetProperty("tensors");
        List<string> types = [];
        foreach (JsonProperty item in recorded.EnumerateObject().Where(i => i.Value.TryGetProperty("float32", out _)))
        {
            Tensor tensor = checkpoint.Get(item.Name);
            types.Add(tensor.Type.Name());
            types[^1].ShouldBe(item.Value.GetProperty("type").GetString());
            tensor.Shape.ShouldBe(
                [item.Value.GetProperty("rows").GetInt64(), item.Value.GetProperty("columns").GetInt64()]);
            float[] values = new float[tensor.ElementCount];
            ElementConversion.ToFloat32(tensor.Type, tensor.Bytes(0, (int)tensor.ByteLength), values);
            MemoryMarshal.AsBytes(values.AsSpan()).ToArray()
                .ShouldBe(item.Value.GetProperty("float32").GetBytesFromBase64(), item.Name);
        }

        types.ShouldBeSubsetOf([.. Enum.GetValues<TensorType>().Select(type => type.Name())]);
        Enum.GetValues<TensorType>().Where(type => type.HasBlocks()).Select(type => type.Name())
            .ShouldBeSubsetOf(types, "a type without a recorded value");
    }

    [Fact]
    public void Tensors_OfWholeNumbers_AreRead()
    {
        using Checkpoint checkpoint = Checkpoint.Open(SharedData.Require("gguf/types.gguf"));
        checkpoint.Get("i8").Type.ShouldBe(TensorType.Int8);
        checkpoint.Get("i16").Type.ShouldBe(TensorType.Int16);
        checkpoint.Get("i32").Type.ShouldBe(TensorType.Int32);
        Tensor whole = checkpoint.Get("i64");
        MemoryMarshal.Cast<byte, long>(whole.Bytes(0, (int)whole.ByteLength)).ToArray()
            .ShouldBe([-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7]);
    }

    [Theory]
    [InlineData("gguf/metadata")]
    [InlineData("gguf/metadata-align64")]
    public void Metadata_OfEveryType_IsReadAsRecorded(string name)
    {
        using GgufFile file = GgufFile.Open(SharedData.Require(name + ".gguf"));
        JsonElement recorded = Json(name + ".json");
        foreach (JsonProperty item in recorded.GetProperty("values").EnumerateObject())
        {
            object value = file.Metadata.Values[item.Name];
            bool equal = item.Value.ValueKind switch
            {
                JsonValueKind.String => (string)value == item.Value.GetString(),
                JsonValueKind.True or JsonValueKind.False => (bool)value == item.Value.GetBoolean(),
                _ when value is double number => (float)number == (float)item.Value.GetDouble(),
                _ => item.Value.TryGetInt64(out long whole)
                    ? (long)value == whole
                    : unchecked((ulong)(long)value) == item.Value.GetUInt64(),
            };
            equal.ShouldBeTrue($"{item.Name}: {value}");
        }

        file.Metadata.Texts("a.strings").ShouldBe(["a", "", "ß", "🙂"]);
        file.Metadata.Integers("a.ints").ShouldBe([1, -2, 3]);
        file.Metadata.Numbers("a.floats").ShouldBe([0.5, -1.25]);
        Tensor matrix = file.Tensors.Single(tensor => tensor.Name == "a.weight");
        matrix.Shape.ShouldBe([2, 3]);
        MemoryMarshal.Cast<byte, float>(matrix.Bytes(0, 24)).ToArray().ShouldBe([0, 1, 2, 3, 4, 5]);
    }

    [Fact]
    public void Open_BigEndian_IsRefusedByName() =>
        Should.Throw<CheckpointException>(
            () => GgufFile.Open(SharedData.Require("gguf/models/llama-bigendian/model.gguf")))
            .Message.ShouldContain("big-endian");

    [Fact]
    public void OpenParts_OfAnyOne_AreAllOfThem()
    {
        string second = SharedData.Require("gguf/models/llama-split/model-00002-of-00003.gguf");
        using Checkpoint checkpoint = Checkpoint.Open(second);
        checkpoint.Files.Count.ShouldBe(3);
        checkpoint.Contains("token_embd.weight").ShouldBeTrue();
        checkpoint.Contains("output_norm.weight").ShouldBeTrue();

        string alone = _directory["model-00002-of-00003.gguf"];
        File.Copy(second, alone);
        Should.Throw<CheckpointException>(() => Checkpoint.Open(alone)).Message
            .ShouldContain("model-00001-of-00003.gguf: there is no such file");
        File.Copy(second, _directory["model-00001-of-00002.gguf"]);
        Should.Throw<CheckpointException>(() => Checkpoint.Open(_directory["model-00001-of-00002.gguf"])).Message
            .ShouldContain("part 2 of 3");
    }

    [Theory]
    [InlineData("a shape beyond the file", "go beyond the file's end")]
    [InlineData("a dimension too many", "has 5 dimensions")]
    [InlineData("an unknown type", "its type, 99, is not known")]
    [InlineData("an offset out of line", "no multiple of the alignment, 32")]
    [InlineData("an alignment of 3", "general.alignment: it is 3; it must be a power of two")]
    [InlineData("half a block", "rows of 16 elements are not whole blocks of 32")]
    [InlineData("a key twice", "general.alignment: it stands twice")]
    [InlineData("a tensor twice", "tensor 'w'.*is also in")]
    [InlineData("more tensors than bytes", "counts 1000000 tensors")]
    [InlineData("an old version", "version 1 is not supported; supported: 2 and 3")]
    public void Open_ADamagedFile_SaysWhatIsWrong(string damage, string expected)
    {
        string path = _directory.Write("model.gguf", Make(damage));
        CheckpointException error = Should.Throw<CheckpointException>(() => Checkpoint.Open(path).Dispose());
        error.Message.ShouldStartWith(path);
        error.Message.ShouldMatch(expected);
    }

    [Fact]
    public void Open_AnyPrefixOfAFile_IsAClearErrorOrNoTensor()
    {
        byte[] whole = Make("nothing");
        for (int length = 0; length < whole.Length; length++)
        {
            string path = _directory.Write("cut.gguf", whole[..length]);
            Should.Throw<CheckpointException>(() => Checkpoint.Open(path).Dispose(), $"{length} bytes")
                .Message.ShouldStartWith(path);
        }

        using Checkpoint checkpoint = Checkpoint.Open(_directory.Write("whole.gguf", whole));
        checkpoint.Get("w").Shape.ShouldBe([2, 32]);
    }

    [Theory]
    [InlineData(2000)]
    public void Open_MutatedFiles_AreReadOrRefused(int count)
    {
        byte[] whole = Make("nothing");
        count = Environment.GetEnvironmentVariable("OCTAVO_EXTENSIVE") == "1" ? 10 * count : count;
        var random = new Random(1);
        for (int i = 0; i < count; i++)
        {
            byte[] mutated = [.. whole];
            for (int changes = random.Next(1, 4); changes > 0; changes--)
            {
                mutated[random.Next(mutated.Length)] = (byte)random.Next(256);
            }

            string path = _directory.Write("mutated.gguf", mutated);
            try
            {
                using Checkpoint checkpoint = Checkpoint.Open(path);
                checkpoint.Tensors.Values.Sum(tensor => tensor.ByteLength).ShouldBeLessThanOrEqualTo(whole.Length);
            }
            catch (CheckpointException e)
            {
                e.Message.ShouldStartWith(path);
            }
        }
    }

    private static JsonElement Json(string name) =>
        JsonDocument.Parse(File.ReadAllBytes(SharedData.Require(name))).RootElement;

    /// <summary>A file of one key and one tensor of 64 codes, with one thing wrong.</summary>
    private static byte[] Make(string damage)
    {
        const int Q40 = 2, U32 = 4;
        bool twice = damage == "a tensor twice", twoKeys = damage == "a key twice";
        var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("GGUF"u8);
        writer.Write(damage == "an old version" ? 1 : 3);
        writer.Write(damage == "more tensors than bytes" ? 1_000_000L : twice ? 2L : 1L);
        writer.Write(twoKeys ? 2L : 1L);
        for (int i = 0; i < (twoKeys ? 2 : 1); i++)
        {
            Text("general.alignment");
            writer.Write(U32);
            writer.Write(damage == "an alignment of 3" ? 3 : 32);
        }

        for (int i = 0; i < (twice ? 2 : 1); i++)
        {
            Text("w");
            int dimensions = damage == "a dimension too many" ? 5 : 2;
            writer.Write(dimensions);
            writer.Write(damage == "half a block" ? 16L : 32L);
            writer.Write(damage == "a shape beyond the file" ? 1L << 40 : damage == "half a block" ? 4L : 2L);
            for (int d = 2; d < dimensions; d++)
            {
                writer.Write(1L);
            }

            writer.Write(damage == "an unknown type" ? 99 : Q40);
            writer.Write(damage == "an offset out of line" ? 8L : 0L);
        }

        while (stream.Length % 32 != 0)
        {
            writer.Write((byte)0);
        }

        writer.Write(new byte[36]);
        return stream.ToArray();

        void Text(string text)
        {
            writer.Write((long)text.Length);
            writer.Write(Encoding.UTF8.GetBytes(text));
        }
    }
}

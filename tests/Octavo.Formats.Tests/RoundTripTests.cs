using System.ComponentModel;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using Octavo.Testing;

namespace Octavo.Formats.Tests;

public sealed unsafe class RoundTripTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public static TheoryData<string> Types => [.. Plain.Select(type => type.ToString())];

    private static IEnumerable<TensorType> Plain => Enum.GetValues<TensorType>().Where(type => !type.HasBlocks());

    public void Dispose() => _directory.Dispose();

    [Theory]
    [MemberData(nameof(Types))]
    public void Write_ThenOpen_GivesTheSameTensor(string name)
    {
        TensorType type = Enum.Parse<TensorType>(name);
        byte[] data = Bytes(type.BitsPerElement() * 24 / 8, 1);
        SafetensorsWriter.Write(_directory["a.safetensors"], [new TensorSource("x", type, [2, 3, 4], data)]);
        using Checkpoint checkpoint = Checkpoint.Open(_directory["a.safetensors"]);
        Tensor tensor = checkpoint.Get("x");
        tensor.Type.ShouldBe(type);
        tensor.Shape.ShouldBe([2, 3, 4]);
        tensor.ElementCount.ShouldBe(24);
        tensor.ByteLength.ShouldBe(data.Length);
        tensor.Bytes(0, data.Length).ToArray().ShouldBe(data);
        checkpoint.TotalBytes.ShouldBe(data.Length);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void TryParse_EveryName_GivesItsType(string name)
    {
        TensorType type = Enum.Parse<TensorType>(name);
        TensorTypeExtensions.TryParse(type.Name(), out TensorType parsed).ShouldBeTrue();
        parsed.ShouldBe(type);
    }

    [Fact]
    public void Write_AllTypesInAnyOrder_AlignsEachToItsElement()
    {
        SafetensorsWriter.Write(_directory["a.safetensors"], Sources());
        using SafetensorsFile file = SafetensorsFile.Open(_directory["a.safetensors"]);
        foreach (Tensor tensor in file.Tensors)
        {
            ((long)tensor.Pointer % Math.Max(1, tensor.Type.BitsPerElement() / 8)).ShouldBe(0, tensor.Name);
        }

        (BitConverter.ToInt64(File.ReadAllBytes(file.Path)) % 8).ShouldBe(0);
    }

    [Fact]
    public void Write_MetadataAndStrangeNames_SurviveTheTrip()
    {
        var metadata = new Dictionary<string, string> { ["format"] = "pt", ["\"quoted\"\n"] = "é😀\0" };
        SafetensorsWriter.Write(
            _directory["a.safetensors"],
            [
                new TensorSource("a\"\\/\u0001é😀", TensorType.UInt8, [], new byte[1]),
                new TensorSource("", TensorType.UInt8, [0], ReadOnlyMemory<byte>.Empty),
            ],
            metadata);
        using SafetensorsFile file = SafetensorsFile.Open(_directory["a.safetensors"]);
        file.Metadata.ShouldBe(metadata);
        file.Tensors.Select(tensor => tensor.Name).ShouldBe(["a\"\\/\u0001é😀", ""], ignoreOrder: true);
        file.Tensors.Single(tensor => tensor.Name.Length > 0).ElementCount.ShouldBe(1);
    }

    [Fact]
    public void Write_TensorWritesTooLittle_LeavesTheOldFileAndNothingElse()
    {
        string path = _directory.Write("a.safetensors", "old");
        var bad = new TensorSource("x", TensorType.Float32, [2], stream => stream.Write(new byte[7]));
        Should.Throw<InvalidOperationException>(() => SafetensorsWriter.Write(path, [bad])).Message
            .ShouldContain("'x'");
        File.ReadAllText(path).ShouldBe("old");
        Directory.GetFiles(_directory.Root).ShouldBe([path]);
    }

    [Fact]
    public void Write_NameTwice_Throws()
    {
        var source = new TensorSource("x", TensorType.UInt8, [1], new byte[1]);
        Should.Throw<ArgumentException>(() => SafetensorsWriter.Write(_directory["a"], [source, source]));
        Directory.GetFileSystemEntries(_directory.Root).ShouldBeEmpty();
    }

    [Fact]
    public void TensorSource_ImpossibleArguments_Throw()
    {
        Should.Throw<ArgumentException>(() => new TensorSource("__metadata__", TensorType.UInt8, [1], new byte[1]));
        Should.Throw<ArgumentException>(() => new TensorSource("x", TensorType.UInt8, [-1], new byte[1]));
        Should.Throw<ArgumentException>(() => new TensorSource("x", TensorType.UInt8, [2], new byte[1]));
        Should.Throw<ArgumentException>(() => new TensorSource("x", TensorType.Float4, [1], new byte[1]));
    }

    [Fact]
    public void Tensor_Above2GiB_IsReadableToItsLastByte()
    {
        const long Length = (3L << 30) + 8;
        string header = "{" + RawFile.Entry("x", "U8", $"[{Length}]", $"[0,{Length}]") + "}";
        string path = _directory.Write("big.safetensors", RawFile.Build(header, 0));
        using (FileStream stream = File.OpenWrite(path))
        {
            stream.SetLength(stream.Length + Length); // Sparse: takes no space.
            stream.Position = stream.Length - 1;
            stream.WriteByte(42);
        }

        using SafetensorsFile file = SafetensorsFile.Open(path);
        Tensor tensor = file.Tensors.ShouldHaveSingleItem();
        tensor.ByteLength.ShouldBe(Length);
        tensor.Bytes(Length - 1, 1)[0].ShouldBe((byte)42);
        tensor.Bytes(Length, 0).Length.ShouldBe(0);
        Should.Throw<ArgumentOutOfRangeException>(() => tensor.Bytes(Length - 1, 2).Length);
        Should.Throw<ArgumentOutOfRangeException>(() => tensor.Bytes(-1, 1).Length);
        Should.Throw<ArgumentOutOfRangeException>(() => tensor.Bytes(0, -1).Length);
        Should.Throw<ArgumentOutOfRangeException>(() => tensor.Bytes(long.MaxValue, int.MaxValue).Length);
    }

    [Fact]
    public void Tensor_AfterDispose_Throws()
    {
        SafetensorsWriter.Write(_directory["a.safetensors"], Sources());
        Checkpoint checkpoint = Checkpoint.Open(_directory["a.safetensors"]);
        Tensor tensor = checkpoint.Get("F32");
        checkpoint.Dispose();
        checkpoint.Dispose();
        Should.Throw<ObjectDisposedException>(() => tensor.Bytes(0, 1).Length);
        Should.Throw<ObjectDisposedException>(() => (long)tensor.Pointer);
    }

    [Fact]
    public void Write_ReadByPython_IsTheSame()
    {
        TensorSource[] sources = Sources();
        SafetensorsWriter.Write(_directory["a.safetensors"], sources, new Dictionary<string, string> { ["k"] = "é" });
        JsonElement read = JsonDocument.Parse(Python("read", _directory["a.safetensors"])).RootElement;
        read.GetProperty("metadata").GetProperty("k").GetString().ShouldBe("é");
        JsonElement tensors = read.GetProperty("tensors");
        tensors.EnumerateObject().Count().ShouldBe(sources.Length);
        foreach (TensorType type in Plain)
        {
            JsonElement tensor = tensors.GetProperty(type.Name());
            tensor.GetProperty("dtype").GetString().ShouldBe(type.Name());
            tensor.GetProperty("shape").EnumerateArray().Select(n => n.GetInt32()).ShouldBe([1, 8]);
            string hash = Convert.ToHexStringLower(SHA256.HashData(Bytes(type.BitsPerElement(), (int)type)));
            tensor.GetProperty("sha256").GetString().ShouldBe(hash);
        }
    }

    [Fact]
    public void Open_WrittenByPython_IsTheSame()
    {
        Python("write", _directory["b.safetensors"]);
        using SafetensorsFile file = SafetensorsFile.Open(_directory["b.safetensors"]);
        file.Metadata["by"].ShouldBe("python é");
        Tensor tensor = file.Tensors.Single(t => t.Name == "w");
        tensor.Shape.ShouldBe([2, 3]);
        float[] values = new float[6];
        ElementConversion.ToFloat32(tensor.Type, tensor.Bytes(0, 12), values);
        values.ShouldBe([0f, -1.5f, 65504f, 0.333251953125f, float.PositiveInfinity, 5.9604644775390625e-8f]);
    }

    private static TensorSource[] Sources() =>
    [
        .. Plain.Select(type =>
            new TensorSource(
                type.Name(), type, [1, 8], stream => stream.Write(Bytes(type.BitsPerElement(), (int)type)))),
    ];

    private static byte[] Bytes(int count, int seed)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static string Python(string mode, string path)
    {
        string script = Path.Combine(Repository.Root!, "tests", "Octavo.Formats.Tests", "safetensors_twin.py");
        try
        {
            var start = new ProcessStartInfo("python3", [script, mode, path])
            {
                RedirectStandardOutput = true,
                UseShellExecute = false,
            };
            using Process process = Process.Start(start)!;
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            process.ExitCode.ShouldBe(0, output);
            return output;
        }
        catch (Win32Exception)
        {
            Assert.Skip("needs python3, which is absent");
            throw;
        }
    }
}

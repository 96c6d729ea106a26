using System.Text;
using Octavo.Testing;

namespace Octavo.Formats.Tests;

public sealed class FuzzTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void SafetensorsFile_FlippedHeaderBytes_ThrowsOnlyCheckpointExceptionAndStaysInBounds()
    {
        string header =
            $"{{\"__metadata__\":{{\"format\":\"pt\"}},{RawFile.Entry("a.weight", "F32", "[2,3]", "[0,24]")},"
                + $"{RawFile.Entry("b\\u00e9", "BF16", "[4]", "[24,32]")},"
                + $"{RawFile.Entry("c", "F4", "[2,5]", "[32,37]")},"
                + $"{RawFile.Entry("d", "U8", "[0]", "[37,37]")}}}  ";
        byte[] valid = RawFile.Build(header, 37);
        string path = _directory.Write("fuzz.safetensors", valid);
        var random = new Random(20260);
        int accepted = 0;
        int cases = Extent.Of(20_000);
        for (int i = 0; i < cases; i++)
        {
            byte[] bytes = Mutate(valid, valid.Length - 37, random);
            File.WriteAllBytes(path, bytes);
            try
            {
                using SafetensorsFile file = SafetensorsFile.Open(path);
                TouchAll(file, bytes.Length);
                accepted++;
            }
            catch (CheckpointException e)
            {
                e.File.ShouldBe(path);
            }
        }

        accepted.ShouldBeInRange(cases / 200, cases - (cases / 20)); // The fuzz reaches both sides of the checks.
    }

    [Fact]
    public void Checkpoint_FlippedIndexBytes_ThrowsOnlyCheckpointException()
    {
        _directory.Write("a.safetensors", RawFile.Build($"{{{RawFile.Entry("x", "U8", "[1]", "[0,1]")}}}", 1));
        _directory.Write("b.safetensors", RawFile.Build($"{{{RawFile.Entry("y", "U8", "[1]", "[0,1]")}}}", 1));
        byte[] valid = Encoding.UTF8.GetBytes(
            """{"metadata":{"total_size":2},"weight_map":{"x":"a.safetensors","\u0079":"b.safetensors"}}""");
        var random = new Random(7);
        int accepted = 0;
        for (int i = 0; i < Extent.Of(4000); i++)
        {
            _directory.Write("model.safetensors.index.json", Mutate(valid, valid.Length, random));
            try
            {
                using Checkpoint checkpoint = Checkpoint.Open(_directory.Root);
                accepted++;
            }
            catch (CheckpointException e)
            {
                e.Message.ShouldContain(_directory.Root);
            }
        }

        accepted.ShouldBeInRange(Extent.Of(4000) / 400, Extent.Of(3900));
    }

    [Fact]
    public void ModelDirectory_FlippedConfigBytes_ThrowsOnlyCheckpointException()
    {
        _directory.Write("config.json", "{}");
        byte[] valid = Encoding.UTF8.GetBytes(
            """{"temperature":0.5,"eos_token_id":[1,2],"top_k":40,"\u0062os_token_id":1,"x":"\ud83d\ude00"}""");
        var random = new Random(11);
        int accepted = 0;
        for (int i = 0; i < Extent.Of(4000); i++)
        {
            _directory.Write("generation_config.json", Mutate(valid, valid.Length, random));
            try
            {
                ModelSource.Open(_directory.Root).Generation.EosTokenIds.Count.ShouldBeLessThan(10);
                accepted++;
            }
            catch (CheckpointException e)
            {
                e.Message.ShouldContain("generation_config.json");
            }
        }

        accepted.ShouldBeInRange(Extent.Of(4000) / 400, Extent.Of(3900));
    }

    // One to three bytes become anything, or a character that means something in JSON.
    private static byte[] Mutate(byte[] valid, int range, Random random)
    {
        ReadOnlySpan<byte> telling = "\"\\{}[],:0123456789-eEu \n"u8;
        byte[] bytes = [.. valid];
        for (int flips = random.Next(1, 4); flips > 0; flips--)
        {
            bytes[random.Next(range)] = random.Next(2) == 0
                ? (byte)random.Next(256)
                : telling[random.Next(telling.Length)];
        }

        return bytes;
    }

    private static void TouchAll(SafetensorsFile file, long fileLength)
    {
        long total = 0;
        foreach (Tensor tensor in file.Tensors)
        {
            total += tensor.ByteLength;
            tensor.Bytes(0, (int)tensor.ByteLength).ToArray().Length.ShouldBe((int)tensor.ByteLength);
            Should.Throw<ArgumentOutOfRangeException>(() => tensor.Bytes(tensor.ByteLength, 1).Length);
        }

        total.ShouldBeLessThanOrEqualTo(fileLength - 8);
    }
}

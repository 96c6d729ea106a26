using System.Runtime.InteropServices;
using System.Text;
using Octavo.Formats.Stored;

namespace Octavo.Formats.Tests;

/// <summary>
/// Layouts of quantized weights that other tools write, each number computed by hand from its definition.
/// </summary>
public sealed class OtherLayoutTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Float8_Blocks_MultiplyWithTheirScale()
    {
        // 0x38 is 1, 0x40 is 2, 0xB8 is −1.
        QuantizedMatrix matrix = Open(
            """{"quant_method": "fp8", "weight_block_size": [2, 2]}""",
            new TensorSource("m.weight", TensorType.Float8E4M3, [3, 4], new byte[]
            {
                0x38, 0x40, 0x38, 0x38, 0xB8, 0x38, 0x38, 0x38, 0x38, 0x38, 0x38, 0x40,
            }),
            Floats("m.weight_scale_inv", [2, 2], 1, 10, 100, 1000));
        Scales(matrix, 1).ShouldBe([1, 10]);
        Scales(matrix, 2).ShouldBe([100, 1000]);
        Codes(matrix, 1)[0].ShouldBe(unchecked((sbyte)0xB8));
        (matrix.GroupSize, matrix.Kind).ShouldBe((2, CodeKind.Float8));
    }

    [Fact]
    public void BitsAndBytes_DoubleQuantized_IsTableTimesMostOfTheBlock()
    {
        // Blocks of 4 weights; of their largest numbers, runs of 256 and a mean of 0.5.
        float[] table = [.. Enumerable.Range(0, 16).Select(i => i - 8f)];
        float[] nested = [.. Enumerable.Range(0, 256).Select(i => i / 255f)];
        const string State = """
            {"quant_type": "nf4", "blocksize": 4, "shape": [2, 4], "nested_blocksize": 256, "nested_offset": 0.5}
            """;
        QuantizedMatrix matrix = Open(
            """{"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}""",
            new TensorSource("m.weight", TensorType.UInt8, [4, 1], new byte[] { 0x89, 0xAF, 0x01, 0x78 }),
            Floats("m.weight.quant_map", [16], table),
            new TensorSource("m.weight.absmax", TensorType.UInt8, [2], new byte[] { 255, 0 }),
            Floats("m.weight.nested_quant_map", [256], nested),
            Floats("m.weight.nested_absmax", [1], 2),
            Text("m.weight.quant_state.bitsandbytes__nf4", State));
        matrix.HasCodes.ShouldBeFalse();
        Row(matrix, 0).ShouldBe([0, 2.5f, 5, 17.5f]);
        Row(matrix, 1).ShouldBe([-4, -3.5f, -0.5f, 0]);
    }

    [Fact]
    public void BitsAndBytes_Int8_IsCodeTimesMostOver127()
    {
        QuantizedMatrix matrix = Open(
            """{"quant_method": "bitsandbytes", "load_in_8bit": true}""",
            new TensorSource("m.weight", TensorType.Int8, [1, 2], new byte[] { 127, 0x81 }),
            Floats("m.SCB", [1], 2.54f));
        Codes(matrix, 0).ShouldBe([127, -127]);
        Scales(matrix, 0).ShouldBe([2.54f / 127]);
    }

    [Fact]
    public void MxFloat4_Numbers_AreTimesAPowerOfTwo()
    {
        byte[] numbers = new byte[16];
        (numbers[0], numbers[15]) = (0x72, 0x9F);       // 1 and 6; −6 and −0.5
        QuantizedMatrix matrix = Open(
            CompressedTensors("mxfp4-pack-quantized", 32),
            new TensorSource("m.weight_packed", TensorType.UInt8, [1, 16], numbers),
            new TensorSource("m.weight_scale", TensorType.UInt8, [1, 1], new byte[] { 130 }));
        sbyte[] codes = Codes(matrix, 0);
        (codes[0], codes[1], codes[30], codes[31]).ShouldBe(((sbyte)2, (sbyte)12, (sbyte)-12, (sbyte)-1));
        Scales(matrix, 0).ShouldBe([4]);
    }

    [Fact]
    public void NvFloat4_Numbers_AreTimesAnE4M3ScaleOverTheMatrixs()
    {
        QuantizedMatrix matrix = Open(
            CompressedTensors("nvfp4-pack-quantized", 16),
            new TensorSource("m.weight_packed", TensorType.UInt8, [1, 8], new byte[] { 0x21, 0, 0, 0, 0, 0, 0, 0 }),
            new TensorSource("m.weight_scale", TensorType.Float8E4M3, [1, 1], new byte[] { 0x44 }),     // 3
            Floats("m.weight_global_scale", [1], 6));
        Codes(matrix, 0)[..2].ShouldBe([1, 2]);
        Scales(matrix, 0).ShouldBe([0.25f]);
    }

    [Theory]
    [InlineData(4, new byte[] { 0x1F, 0x2E, 0x3D, 0x4C })]
    [InlineData(2, new byte[] { 0b00_01_10_11, 0b11_00_01_10 })]
    public void Hqq_GroupsAsRows_AreUnpackedFromTheHighestBitsOn(int bits, byte[] packed)
    {
        // Two rows of four weights are four groups of two, which are the rows of what is packed.
        QuantizedMatrix matrix = Open(
            $$"""
            {"quant_method": "hqq",
             "quant_config": {"weight_quant_params": {"nbits": {{bits}}, "group_size": 2, "axis": 1} } }
            """,
            new TensorSource("m.W_q", TensorType.UInt8, [bits == 4 ? 2 : 1, 2], packed),
            Number("m.nbits", bits), Number("m.axis", 1), Number("m.group_size", 2),
            new TensorSource(
                "m.shape", TensorType.Int64, [2], MemoryMarshal.AsBytes<long>(new long[] { 2, 4 }).ToArray()),
            Floats("m.scale", [4, 1], 1, 2, 3, 4),
            Floats("m.zero", [4, 1], 0.5f, 0, 0, 1));
        if (bits == 4)
        {
            Row(matrix, 0).ShouldBe([0.5f, 1.5f, 6, 8]);
            Row(matrix, 1).ShouldBe([45, 42, 48, 44]);
        }
        else
        {
            Row(matrix, 0).ShouldBe([-0.5f, 2.5f, 2, 0]);
            Row(matrix, 1).ShouldBe([6, 3, 8, 4]);
        }
    }

    [Fact]
    public void TorchAo_Integers_HaveScalesAndZerosOfTheirGroups()
    {
        QuantizedMatrix matrix = Open(
            """{"quant_method": "torchao", "quant_type": {"default": {"_type": "IntxWeightOnlyConfig"}}}""",
            new TensorSource("m._weight_qdata", TensorType.Int8, [2, 4], new byte[] { 1, 2, 3, 4, 5, 6, 7, 0xFF }),
            Floats("m._weight_scale", [2, 2], 1, 2, 3, 4),
            new TensorSource("m._weight_zero_point", TensorType.Int8, [2, 2], new byte[] { 0, 1, 2, 3 }));
        (matrix.GroupSize, matrix.Asymmetric).ShouldBe((2, true));
        Codes(matrix, 1).ShouldBe([5, 6, 7, -1]);
        Scales(matrix, 1).ShouldBe([3, 4]);
        int[] zeros = new int[2];
        matrix.ReadZeros(1, zeros);
        zeros.ShouldBe([2, 3]);
    }

    [Theory]
    [InlineData("quanto", "octavo quantize")]
    [InlineData("exl2", "take the model as GPTQ, AWQ or GGUF")]
    [InlineData("marlin", "take the GPTQ model")]
    [InlineData("something", "supported: compressed-tensors, gptq, awq, fp8, bitsandbytes, hqq, torchao, auto-round")]
    public void Read_AMethodThatIsNotRead_SaysWhatToTakeInstead(string method, string words)
    {
        string path = _directory.Write("config.json", $$"""{"quantization_config": {"quant_method": "{{method}}"} }""");
        Should.Throw<Exception>(() => QuantizationConfig.Read(ModelSource.ReadConfig(path), _directory.Root))
            .Message.ShouldContain(words);
    }

    [Fact]
    public void Read_AutoRound_IsWhatItPacks()
    {
        string path = _directory.Write("config.json", """
            {"quantization_config": {"quant_method": "auto-round", "packing_format": "auto_round:auto_gptq", "bits": 4,
             "group_size": 128, "sym": true}}
            """);
        QuantizationConfig.Read(ModelSource.ReadConfig(path), _directory.Root).ShouldBeOfType<GptqConfig>();
    }

    private static string CompressedTensors(string format, int group) => $$"""
        {"quant_method": "compressed-tensors", "format": "{{format}}",
         "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "float",
         "strategy": "group", "group_size": {{group}} } } } }
        """;

    private static TensorSource Floats(string name, long[] shape, params float[] values) =>
        new(name, TensorType.Float32, shape, MemoryMarshal.AsBytes<float>(values).ToArray());

    private static TensorSource Number(string name, int value) =>
        new(name, TensorType.Int32, [], BitConverter.GetBytes(value));

    private static TensorSource Text(string name, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        return new TensorSource(name, TensorType.UInt8, [bytes.Length], bytes);
    }

    private static float[] Row(QuantizedMatrix matrix, int row)
    {
        float[] values = new float[matrix.Columns];
        matrix.ReadRow(row, values);
        return values;
    }

    private static sbyte[] Codes(QuantizedMatrix matrix, int row)
    {
        sbyte[] codes = new sbyte[matrix.Columns];
        matrix.ReadCodes(row, codes);
        return codes;
    }

    private static float[] Scales(QuantizedMatrix matrix, int row)
    {
        float[] scales = new float[matrix.Groups];
        matrix.ReadScales(row, scales);
        return scales;
    }

    private QuantizedMatrix Open(string quantization, params TensorSource[] tensors)
    {
        string path = _directory.Write("config.json", $$"""{"quantization_config": {{quantization}} }""");
        QuantizationConfig config = QuantizationConfig.Read(ModelSource.ReadConfig(path), _directory.Root)!;
        return config.Find(Checkpoint.InMemory("made", tensors), "m").ShouldNotBeNull();
    }
}

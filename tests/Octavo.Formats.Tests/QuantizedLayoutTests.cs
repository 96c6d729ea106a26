using System.Runtime.InteropServices;
using Octavo.Formats.Stored;

namespace Octavo.Formats.Tests;

/// <summary>
/// Layouts that no golden covers, written here element by element from their definition: what is read must be what was
/// meant.
/// </summary>
public sealed class QuantizedLayoutTests : IDisposable
{
    private const int Rows = 16;
    private const int Columns = 32;
    private const int Group = 8;

    private readonly TempDirectory _directory = new();
    private readonly int[,] _codes = new int[Rows, Columns];     // unsigned
    private readonly int[,] _zeros = new int[Rows, Columns / Group];
    private readonly float[,] _scales = new float[Rows, Columns / Group];

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(4, "gptq")]
    [InlineData(4, "gptq_v2")]
    [InlineData(8, "gptq")]
    [InlineData(8, "gptq_v2")]
    public void Gptq_BothVersionsAndWidths_ReadsCodesZerosAndGroups(int bits, string version)
    {
        Fill(bits);
        int per = 32 / bits, minus = version == "gptq" ? 1 : 0;
        int[] groups = [.. Enumerable.Range(0, Columns).Select(k => k % (Columns / Group))];
        uint[] weights = new uint[Columns / per * Rows], zeros = new uint[Columns / Group * Rows / per];
        for (int row = 0; row < Rows; row++)
        {
            for (int k = 0; k < Columns; k++)
            {
                weights[(k / per * Rows) + row] |= (uint)_codes[row, k] << (k % per * bits);
            }

            for (int g = 0; g < Columns / Group; g++)
            {
                uint stored = (uint)(_zeros[row, g] - minus) & ((1u << bits) - 1);
                zeros[(g * (Rows / per)) + (row / per)] |= stored << (row % per * bits);
            }
        }

        using Checkpoint checkpoint = Write(
            $$"""
            {"quant_method":"gptq","bits":{{bits}},"group_size":{{Group}},"desc_act":true,"sym":false,
             "checkpoint_format":"{{version}}"}
            """,
            Words("m.qweight", [Columns / per, Rows], weights),
            Words("m.qzeros", [Columns / Group, Rows / per], zeros),
            Floats("m.scales", [Columns / Group, Rows], Transposed()),
            Words("m.g_idx", [Columns], [.. groups.Select(g => (uint)g)]));

        QuantizedMatrix matrix = checkpoint.FindQuantized("m.weight")!;
        ShouldHold(matrix, bits);
        matrix.GroupIndex.ShouldBe(groups);
    }

    [Theory]
    [InlineData(4, "gptq", 0x77777777u)]
    [InlineData(4, "gptq", 0x88888888u)]     // written as version 2, labelled as version 1
    [InlineData(4, "gptq_v2", 0x77777777u)]
    [InlineData(8, "gptq", 0x80808080u)]
    [InlineData(4, "gptq", null)]
    [InlineData(8, "gptq_v2", null)]
    public void Gptq_Symmetric_HasItsZeroPointInTheMiddleWhateverIsStored(int bits, string version, uint? words)
    {
        int per = 32 / bits;
        List<TensorSource> tensors =
        [
            Words("m.qweight", [Columns / per, Rows], new uint[Columns / per * Rows]),
            Floats("m.scales", [Columns / Group, Rows], Transposed()),
        ];
        if (words is { } word)
        {
            tensors.Add(Words(
                "m.qzeros", [Columns / Group, Rows / per], [.. Enumerable.Repeat(word, Columns / Group * Rows / per)]));
        }

        using Checkpoint checkpoint = Write(
            $$"""
            {"quant_method":"gptq","bits":{{bits}},"group_size":{{Group}},"sym":true,"checkpoint_format":"{{version}}"}
            """,
            [.. tensors]);

        QuantizedMatrix matrix = checkpoint.FindQuantized("m.weight")!;
        int[] zeros = [.. Enumerable.Repeat(-1, Columns / Group)];
        matrix.ReadZeros(3, zeros);
        zeros.ShouldAllBe(z => z == 0);
        matrix.Asymmetric.ShouldBeFalse();
    }

    /// <summary>
    /// Where the file does not say whether weights are symmetric, they are if there is nothing else to go by.
    /// </summary>
    [Fact]
    public void Gptq_NeitherSymNorZeroPoints_IsSymmetric()
    {
        using Checkpoint checkpoint = Write(
            $$"""{"quant_method":"gptq","bits":4,"group_size":{{Group}}}""",
            Words("m.qweight", [Columns / 8, Rows], new uint[Columns / 8 * Rows]),
            Floats("m.scales", [Columns / Group, Rows], Transposed()));

        checkpoint.FindQuantized("m.weight")!.Asymmetric.ShouldBeFalse();
    }

    [Theory]
    [InlineData(uint.MaxValue, uint.MaxValue)]
    [InlineData(0u, uint.MaxValue)]
    public void CompressedTensors_GroupIndexThatWasNeverFilled_IsGroupsInOrder(uint first, uint rest)
    {
        Fill(4);
        using Checkpoint checkpoint = Write(
            Packed("\"group\""),
            [.. PackedTensors(), Words("m.weight_g_idx", [Columns], [first, .. Enumerable.Repeat(rest, Columns - 1)])]);

        checkpoint.FindQuantized("m.weight")!.GroupIndex.ShouldBeNull();
        ShouldHold(checkpoint.FindQuantized("m.weight")!, 4);
    }

    [Fact]
    public void CompressedTensors_PackedZeroPointsBesideSymmetricWeights_AreRefusedUnlessTheySayNothing()
    {
        Fill(4);
        string config = Packed("null").Replace("\"symmetric\":false", "\"symmetric\":true", StringComparison.Ordinal);
        using (Checkpoint different = Write(config, PackedTensors()))
        {
            Should.Throw<CheckpointException>(() => different.FindQuantized("m.weight")).Tensor
                .ShouldBe("m.weight_zero_point");
        }

        TensorSource middle = Words(
            "m.weight_zero_point", [Rows / 8, Columns / Group],
            [.. Enumerable.Repeat(0x88888888u, Rows / 8 * Columns / Group)]);
        using Checkpoint idle = Write(config, [.. PackedTensors().Where(t => t.Name != middle.Name), middle]);
        idle.FindQuantized("m.weight")!.Asymmetric.ShouldBeFalse();
    }

    [Fact]
    public void CompressedTensors_PackedWithGroupIndexInItsOrder_HasNoneToMind()
    {
        Fill(4);
        using Checkpoint checkpoint =
            Write(Packed("\"group\""), [
                .. PackedTensors(),
                Words("m.weight_g_idx", [Columns], [.. Enumerable.Range(0, Columns).Select(k => (uint)(k / Group))])
            ]);

        checkpoint.FindQuantized("m.weight")!.GroupIndex.ShouldBeNull();
        ShouldHold(checkpoint.FindQuantized("m.weight")!, 4);
    }

    [Fact]
    public void CompressedTensors_GroupIndexOutOfRange_IsRefusedByName()
    {
        Fill(4);
        using Checkpoint checkpoint = Write(
            Packed("\"group\""),
            [.. PackedTensors(), Words("m.weight_g_idx", [Columns], [.. Enumerable.Repeat(4u, Columns)])]);

        Should.Throw<CheckpointException>(() => checkpoint.FindQuantized("m.weight")).Message
            .ShouldContain("'m.weight_g_idx': puts input 0 into group 4; there are 4");
    }

    [Fact]
    public void CompressedTensors_BytesWithZeroPointsByChannel_AreRead()
    {
        sbyte[] codes = [.. Enumerable.Range(0, Rows * Columns).Select(i => (sbyte)((i * 37) % 256 - 128))];
        sbyte[] zeros = [.. Enumerable.Range(0, Rows).Select(i => (sbyte)(i - 8))];
        using Checkpoint checkpoint = Write(
            Config(
                "int-quantized", """{"num_bits":8,"type":"int","symmetric":false,"strategy":"channel"}""",
                """{"num_bits":8,"type":"int","symmetric":false,"strategy":"token","dynamic":true}"""),
            new TensorSource(
                "m.weight", TensorType.Int8, [Rows, Columns], MemoryMarshal.AsBytes<sbyte>(codes).ToArray()),
            Floats("m.weight_scale", [Rows, 1], [.. Enumerable.Range(1, Rows).Select(i => i / 16f)]),
            new TensorSource(
                "m.weight_zero_point", TensorType.Int8, [Rows, 1], MemoryMarshal.AsBytes<sbyte>(zeros).ToArray()));

        QuantizedMatrix matrix = checkpoint.FindQuantized("m.weight")!;
        (matrix.Asymmetric, matrix.Activations, matrix.GroupSize).ShouldBe(
            (true, StoredActivations.Int8Asymmetric, Columns));
        sbyte[] row = new sbyte[Columns];
        int[] zero = new int[1];
        float[] scale = new float[1];
        matrix.ReadCodes(5, row);
        matrix.ReadZeros(5, zero);
        matrix.ReadScales(5, scale);
        row.ShouldBe(codes[(5 * Columns)..(6 * Columns)]);
        (zero[0], scale[0]).ShouldBe((-3, 6 / 16f));
    }

    [Theory]
    [InlineData("\"tensor\"", "null", 1, 1)]
    [InlineData("\"block\"", "[8, 16]", 2, 2)]
    public void CompressedTensors_Float8ByTensorOrBlock_ReadsTheScaleOfEachRow(
        string strategy, string block, int scaleRows, int scaleColumns)
    {
        float[] scales = [.. Enumerable.Range(1, scaleRows * scaleColumns).Select(i => i / 4f)];
        using Checkpoint checkpoint = Write(
            Config(
                "float-quantized",
                $$"""
                {"num_bits":8,"type":"float","symmetric":true,"strategy":{{strategy}},"block_structure":{{block}}}
                """,
                "null"),
            new TensorSource("m.weight", TensorType.Float8E4M3, [Rows, Columns], new byte[Rows * Columns]),
            Floats("m.weight_scale", scaleRows == 1 ? [1] : [scaleRows, scaleColumns], scales));

        QuantizedMatrix matrix = checkpoint.FindQuantized("m.weight")!;
        float[] read = new float[matrix.Groups];
        matrix.ReadScales(Rows - 1, read);
        matrix.Groups.ShouldBe(scaleColumns);
        read.ShouldBe(scales[^scaleColumns..]);
    }

    [Theory]
    [InlineData("lm_head", false)]
    [InlineData("model.layers.0.q_proj", true)]
    [InlineData("model.layers.11.q_proj", false)]
    [InlineData("model.layers.1.q_proj", true)]
    [InlineData("model.layers.1.o_proj", false)]
    public void CompressedTensors_IgnoreLists_MatchAsPythonDoes(string module, bool quantized)
    {
        string config = Config(
            "int-quantized", """{"num_bits":8,"type":"int","symmetric":true,"strategy":"channel"}""", "null")
            .Replace(
                "\"ignore\":[]",
                "\"ignore\":[\"lm_head\",\"re:.*layers\\\\.1\\\\d\",\"re:model.*o_proj$\",\"re:layers\"]");
        using Checkpoint checkpoint = Write(
            config,
            new TensorSource($"{module}.weight", TensorType.Int8, [Rows, Columns], new byte[Rows * Columns]),
            new TensorSource($"{module}.other", TensorType.Int8, [1], new byte[1]));

        if (quantized)
        {
            Should.Throw<CheckpointException>(() => checkpoint.FindQuantized($"{module}.weight")).Message
                .ShouldContain($"{module}.weight_scale");
        }
        else
        {
            checkpoint.FindQuantized($"{module}.weight").ShouldBeNull();
        }
    }

    [Fact]
    public void CompressedTensors_GroupsByName_GoBeforeTheClass()
    {
        const string Config =
            """
            {"quant_method":"compressed-tensors","format":"mixed-precision","ignore":[],"config_groups":{
             "a":{"format":"int-quantized","targets":["Linear"],
                  "weights":{"num_bits":8,"type":"int","strategy":"channel"}},
             "b":{"format":"float-quantized","targets":["re:.*down_proj"],
                  "weights":{"num_bits":8,"type":"float","strategy":"channel"}}}}
            """;
        using Checkpoint checkpoint = Write(
            Config,
            new TensorSource("m.down_proj.weight", TensorType.Float8E4M3, [Rows, Columns], new byte[Rows * Columns]),
            Floats("m.down_proj.weight_scale", [Rows, 1], new float[Rows]),
            new TensorSource("m.up_proj.weight", TensorType.Int8, [Rows, Columns], new byte[Rows * Columns]),
            Floats("m.up_proj.weight_scale", [Rows, 1], new float[Rows]));

        checkpoint.FindQuantized("m.down_proj.weight")!.Kind.ShouldBe(CodeKind.Float8);
        checkpoint.FindQuantized("m.up_proj.weight")!.Kind.ShouldBe(CodeKind.Integer);
    }

    [Fact]
    public void CompressedTensors_BrokenPattern_IsRefusedByName()
    {
        const string pattern = "re:([", problem = "which is no regular expression";
        string config = Packed("\"group\"").Replace("\"ignore\":[]", $"\"ignore\":[\"{pattern}\"]");
        _directory.Write("config.json", "{\"quantization_config\":" + config + "}");
        Should.Throw<CheckpointException>(() => ModelSource.Open(_directory.Root).OpenCheckpoint()).Message
            .ShouldContain(problem);
    }

    [Fact]
    public void CompressedTensors_ScaleOfAnotherShape_IsRefusedByName()
    {
        Fill(4);
        using Checkpoint checkpoint =
            Write(Packed("\"group\""), [
                .. PackedTensors().Where(t => t.Name != "m.weight_scale"),
                Floats("m.weight_scale", [Rows, 3], new float[Rows * 3])
            ]);

        Should.Throw<CheckpointException>(() => checkpoint.FindQuantized("m.weight")).Message
            .ShouldContain(
                "'m.weight_scale': expected shape [16, 4] as the quantization's configuration implies, found [16, 3]");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void CompressedTensors_StaticActivations_AreReadFromTheirTensors(bool symmetric)
    {
        string word = symmetric ? "true" : "false";
        string config = Config(
            "int-quantized",
            """{"num_bits":8,"type":"int","symmetric":true,"strategy":"channel"}""",
            $$"""{"num_bits":8,"type":"int","symmetric":{{word}},"strategy":"tensor","dynamic":false}""");
        TensorSource[] weight = [.. ((string[])["m", "n"]).SelectMany(m => new[]
        {
            new TensorSource($"{m}.weight", TensorType.Int8, [Rows, Columns], new byte[Rows * Columns]),
            Floats($"{m}.weight_scale", [Rows, 1], new float[Rows]),
        })];
        using Checkpoint checkpoint = Write(
            config,
            [
                .. weight,
                Floats("m.input_scale", [1], [0.5f]),
                new TensorSource("m.input_zero_point", TensorType.Int8, [1], new byte[] { 0xFD }),
                Floats("n.input_scale", [1], [-1f])
            ]);

        checkpoint.Quantization!.Notes.ShouldBeEmpty();
        checkpoint.FindQuantized("m.weight")!.StaticInput.ShouldBe((0.5f, symmetric ? 0 : -3));
        Should.Throw<CheckpointException>(() => checkpoint.FindQuantized("n.weight")).Message
            .ShouldContain("'n.input_scale': is -1; a scale must be above 0");
    }

    [Fact]
    public void CompressedTensors_StaticActivationsByToken_AreRefusedByName() =>
        Should.Throw<UnsupportedModelException>(() => Write(
            Config(
                "int-quantized", """{"num_bits":8,"type":"int","strategy":"channel"}""",
                """{"num_bits":8,"type":"int","strategy":"token","dynamic":false}"""),
            Floats("m.weight_scale", [Rows, 1], new float[Rows]))).Message.ShouldContain("input_activations.strategy");

    [Fact]
    public void CompressedTensors_CacheOfFloat8_IsFollowedAndItsScalesAreRead()
    {
        using Checkpoint checkpoint = Write(
            Cached("""{"num_bits":8,"type":"float","strategy":"tensor","symmetric":true,"dynamic":false}"""),
            Floats("a.k_scale", [1], [0.25f]),
            new TensorSource("a.v_scale", TensorType.BFloat16, [], new byte[] { 0x00, 0x40 }),
            Floats("b.k_proj.output_scale", [1], [3f]),
            Floats("c.k_scale", [2], [1f, 2f]),
            Floats("d.v_scale", [1], [0f]));

        checkpoint.Quantization!.CachesFloat8.ShouldBeTrue();
        checkpoint.Quantization.Notes.ShouldBeEmpty();
        KvCacheScales.Read(checkpoint, "a").ShouldBe((0.25f, 2f));
        KvCacheScales.Read(checkpoint, "b").ShouldBe((3f, 1f));
        Should.Throw<CheckpointException>(() => KvCacheScales.Read(checkpoint, "c")).Message
            .ShouldContain("'c.k_scale': expected one number of F32, F16 or BF16");
        Should.Throw<CheckpointException>(() => KvCacheScales.Read(checkpoint, "d")).Message
            .ShouldContain("'d.v_scale': is 0; a scale must be above 0");
    }

    [Theory]
    [InlineData("""{"num_bits":8,"type":"int"}""", "kv_cache_scheme.type")]
    [InlineData("""{"num_bits":4,"type":"float"}""", "kv_cache_scheme.num_bits")]
    [InlineData("""{"num_bits":8,"type":"float","strategy":"attn_head"}""", "kv_cache_scheme.strategy")]
    [InlineData("""{"num_bits":8,"type":"float","symmetric":false}""", "kv_cache_scheme.symmetric")]
    [InlineData("""{"num_bits":8,"type":"float","dynamic":true}""", "kv_cache_scheme.dynamic")]
    public void CompressedTensors_CacheOfAnotherKind_IsRefusedByName(string scheme, string field) =>
        Should.Throw<UnsupportedModelException>(() => Write(Cached(scheme), Floats("a.k_scale", [1], [1f]))).Message
            .ShouldContain(field);

    private static string Cached(string scheme) =>
        Packed("\"group\"").Replace("\"ignore\":[]", $"\"ignore\":[],\"kv_cache_scheme\":{scheme}");

    private static string Config(string format, string weights, string activations) =>
        $$"""
        {"quant_method":"compressed-tensors","format":"{{format}}","ignore":[],"config_groups":{
         "group_0":{"targets":["Linear"],"weights":{{weights}},"input_activations":{{activations}} } } }
        """;

    private static string Packed(string actorder) =>
        Config(
            "pack-quantized",
            $$"""
            {"num_bits":4,"type":"int","symmetric":false,"strategy":"group","group_size":{{Group}},
             "actorder":{{actorder}}}
            """,
            "null");

    private static TensorSource Words(string name, long[] shape, uint[] words) =>
        new(name, TensorType.Int32, shape, MemoryMarshal.AsBytes<uint>(words).ToArray());

    private static TensorSource Floats(string name, long[] shape, float[] values) =>
        new(name, TensorType.Float32, shape, MemoryMarshal.AsBytes<float>(values).ToArray());

    private TensorSource[] PackedTensors()
    {
        uint[] weights = new uint[Rows * Columns / 8], zeros = new uint[Rows / 8 * Columns / Group];
        for (int row = 0; row < Rows; row++)
        {
            for (int k = 0; k < Columns; k++)
            {
                weights[(row * Columns / 8) + (k / 8)] |= (uint)_codes[row, k] << (k % 8 * 4);
            }

            for (int g = 0; g < Columns / Group; g++)
            {
                zeros[(row / 8 * (Columns / Group)) + g] |= (uint)_zeros[row, g] << (row % 8 * 4);
            }
        }

        return
        [
            Words("m.weight_packed", [Rows, Columns / 8], weights),
            Words("m.weight_zero_point", [Rows / 8, Columns / Group], zeros),
            Floats("m.weight_scale", [Rows, Columns / Group], [.. _scales.Cast<float>()]),
            new TensorSource(
                "m.weight_shape", TensorType.Int64, [2],
                MemoryMarshal.AsBytes<long>(new long[] { Rows, Columns }).ToArray()),
        ];
    }

    private void Fill(int bits)
    {
        var random = new Random(bits);
        for (int row = 0; row < Rows; row++)
        {
            for (int k = 0; k < Columns; k++)
            {
                _codes[row, k] = random.Next(1 << bits);
            }

            for (int g = 0; g < Columns / Group; g++)
            {
                _zeros[row, g] = random.Next(1 << bits);   // 0 too, which version 1 stores wrapped
                _scales[row, g] = random.NextSingle();
            }
        }
    }

    private float[] Transposed() => [.. Enumerable.Range(0, Columns / Group)
        .SelectMany(g => Enumerable.Range(0, Rows).Select(row => _scales[row, g]))];

    private Checkpoint Write(string config, params TensorSource[] tensors)
    {
        _directory.Write("config.json", "{\"quantization_config\":" + config + "}");
        SafetensorsWriter.Write(_directory["model.safetensors"], tensors);
        return ModelSource.Open(_directory.Root).OpenCheckpoint();
    }

    private void ShouldHold(QuantizedMatrix matrix, int bits)
    {
        (matrix.Rows, matrix.Columns, matrix.Bits, matrix.GroupSize).ShouldBe((Rows, Columns, bits, Group));
        sbyte[] codes = new sbyte[Columns];
        int[] zeros = new int[Columns / Group];
        float[] scales = new float[Columns / Group];
        int above = 1 << (bits - 1);
        for (int row = 0; row < Rows; row++)
        {
            matrix.ReadCodes(row, codes);
            matrix.ReadZeros(row, zeros);
            matrix.ReadScales(row, scales);
            codes.Select(c => c + above).ShouldBe(Enumerable.Range(0, Columns).Select(k => _codes[row, k]));
            zeros.Select(z => z + above).ShouldBe(Enumerable.Range(0, Columns / Group).Select(g => _zeros[row, g]));
            scales.ShouldBe(Enumerable.Range(0, Columns / Group).Select(g => _scales[row, g]));
        }
    }
}

namespace Octavo.Formats.Stored;

/// <summary>
/// bitsandbytes: <c>load_in_4bit</c>, whose weights are places in a table of 16 numbers, or <c>load_in_8bit</c>.
/// </summary>
/// <remarks>Tensors: bitsandbytes' <c>functional.py</c> (<c>QuantState.as_dict</c>) and <c>nn/modules.py</c>.</remarks>
internal sealed class BitsAndBytesConfig : QuantizationConfig
{
    private readonly string _type;

    public BitsAndBytesConfig(ConfigReader config)
    {
        bool four = config.Flag("load_in_4bit", config.Flag("_load_in_4bit", false));
        _type = four ? config.Text("bnb_4bit_quant_type") ?? "fp4" : "int8";
        Require<string>(config, "bnb_4bit_quant_type", four ? _type : "nf4", "nf4", "fp4");
        Require(
            config, "load_in_8bit", four || config.Flag("load_in_8bit", config.Flag("_load_in_8bit", false)), true);
        Require(config, "bnb_4bit_quant_storage", config.Text("bnb_4bit_quant_storage") ?? "uint8", "uint8");
    }

    public override string Method => "bitsandbytes";

    public override string Summary => _type == "int8"
        ? "8-bit integer weights by channel, plain activations"
        : $"4-bit {_type.ToUpperInvariant()} weights, plain activations";

    public override IReadOnlyList<string> Notes => _type == "int8"
        ? ["LLM.int8: activations are not rounded to eight bits here; weights are, as stored"]
        : [];

    public override QuantizedMatrix? Find(ITensorSet checkpoint, string module) =>
        checkpoint.Contains($"{module}.SCB") ? LlmInt8Matrix.Open(checkpoint, module)
        : TableMatrix.StateOf(checkpoint, module) is { } state ? TableMatrix.Open(checkpoint, module, state)
        : null;
}

/// <summary><c>weight</c> in I8 <c>[out, in]</c>, and <c>SCB</c>: what each row's code of 127 stands for.</summary>
internal sealed class LlmInt8Matrix : QuantizedMatrix
{
    private readonly Tensor _codes;
    private readonly Tensor _most;

    private LlmInt8Matrix(Tensor codes, Tensor most) => (_codes, _most) = (codes, most);

    public override IReadOnlyList<string> Parts => ["weight", "SCB", "weight_format"];

    public static LlmInt8Matrix Open(ITensorSet checkpoint, string module)
    {
        Tensor codes = checkpoint.Get($"{module}.weight");
        if (codes.Type != TensorType.Int8 || codes.Shape is not [var rows, var columns])
        {
            throw PackedTensors.WrongShape(codes, "out, in");
        }

        // 0 is row after row; the others are arrangements of graphics processors.
        if (checkpoint.TryGet($"{module}.weight_format", out Tensor? format)
            && format.Bytes(0, (int)Math.Min(format.ByteLength, 8)).ContainsAnyExcept((byte)0))
        {
            throw new CheckpointException(format.File, format.Name, "is not 0: only weights in rows are supported");
        }

        Tensor most = PackedTensors.Require(checkpoint, $"{module}.SCB", [TensorType.Float32], rows);
        return new LlmInt8Matrix(codes, most)
        {
            Module = module,
            Rows = checked((int)rows),
            Columns = checked((int)columns),
            Kind = CodeKind.Integer,
            Bits = 8,
            GroupSize = checked((int)columns),
            Asymmetric = false,
            ByteLength = codes.ByteLength + most.ByteLength,
        };
    }

    public override void ReadCodes(int row, Span<sbyte> codes) => System.Runtime.InteropServices.MemoryMarshal
        .Cast<byte, sbyte>(_codes.Bytes((long)row * Columns, Columns)).CopyTo(codes);

    public override void ReadScales(int row, Span<float> scales)
    {
        PackedTensors.Floats(_most, row, scales[..1]);
        scales[0] /= 127;
    }

    public override void ReadZeros(int row, Span<int> zeros) => zeros[0] = 0;
}

/// <summary>
/// Places in a table of 16 numbers, two to a byte, the first in the high half, row after row in blocks that each have a
/// largest number (<c>absmax</c>), which may itself be stored as places in a table.
/// </summary>
internal sealed class TableMatrix : QuantizedMatrix
{
    private readonly Tensor _places;
    private readonly float[] _table;
    private readonly float[] _most;
    private readonly int _blockSize;
    private readonly string _state;

    private TableMatrix(Tensor places, float[] table, float[] most, int blockSize, string state) =>
        (_places, _table, _most, _blockSize, _state) = (places, table, most, blockSize, state);

    /// <inheritdoc/>
    public override bool HasCodes => false;

    public override IReadOnlyList<string> Parts =>
    [
        "weight", "weight.absmax", "weight.quant_map", "weight.nested_absmax", "weight.nested_quant_map",
        "weight." + _state,
    ];

    /// <summary>
    /// The last part of the name of the tensor that describes a module's weight; null where it has none.
    /// </summary>
    public static string? StateOf(ITensorSet checkpoint, string module) => Array.Find(
        ["quant_state.bitsandbytes__nf4", "quant_state.bitsandbytes__fp4"],
        state => checkpoint.Contains($"{module}.weight.{state}"));

    public static TableMatrix Open(ITensorSet checkpoint, string module, string stateName)
    {
        Tensor described = checkpoint.Get($"{module}.weight.{stateName}");
        var state = new ConfigReader(described.File, JsonFile.ParseObject(
            described.File, described.Bytes(0, checked((int)described.ByteLength)).ToArray(), allowDuplicates: false));
        int blockSize = state.Size("blocksize", 1 << 20);
        (int rows, int columns) = state.Integers("shape") is [> 0 and var r, > 0 and var c]
            ? (r, c)
            : throw new CheckpointException(described.File, described.Name, "states no shape of two dimensions");
        long elements = (long)rows * columns, blocks = (elements + blockSize - 1) / blockSize;
        Tensor places = checkpoint.Get($"{module}.weight");
        if (places.Type != TensorType.UInt8 || places.ElementCount != (elements + 1) / 2)
        {
            throw PackedTensors.WrongShape(places, $"{(elements + 1) / 2}, 1");
        }

        float[] table = Floats(checkpoint, $"{module}.weight.quant_map", 16);
        return new TableMatrix(places, table, Most(checkpoint, module, state, blocks), blockSize, stateName)
        {
            Module = module,
            Rows = rows,
            Columns = columns,
            Kind = CodeKind.Integer,
            Bits = 4,
            GroupSize = columns,
            Asymmetric = false,
            ByteLength = places.ByteLength + (blocks * sizeof(float)),
        };
    }

    public override void ReadRow(int row, Span<float> destination)
    {
        long first = (long)row * Columns;
        for (int k = 0; k < Columns; k++)
        {
            long at = first + k;
            byte both = _places.Bytes(at / 2, 1)[0];
            destination[k] = _table[at % 2 == 0 ? both >> 4 : both & 0x0F] * _most[at / _blockSize];
        }
    }

    public override void ReadCodes(int row, Span<sbyte> codes) => throw NoCodes();

    public override void ReadScales(int row, Span<float> scales) => throw NoCodes();

    public override void ReadZeros(int row, Span<int> zeros) => throw NoCodes();

    private static InvalidOperationException NoCodes() => new("its numbers are no multiples of anything");

    private static float[] Most(ITensorSet checkpoint, string module, ConfigReader state, long blocks)
    {
        string name = $"{module}.weight.absmax";
        Tensor stored = checkpoint.Get(name);
        if (stored.Type == TensorType.Float32)
        {
            return Floats(checkpoint, name, blocks);
        }

        // Stored as places in a table of 256, times a largest number of each run, plus a mean.
        CheckpointException.ThrowIf(
            stored.Type != TensorType.UInt8 || stored.ElementCount != blocks, stored.File, name,
            $"expected {blocks} numbers of F32 or U8");
        int run = state.Size("nested_blocksize", 1 << 20);
        float offset = (float)(state.Number("nested_offset") ?? throw state.Missing("nested_offset"));
        float[] table = Floats(checkpoint, $"{module}.weight.nested_quant_map", 256);
        float[] ofRuns = Floats(checkpoint, $"{module}.weight.nested_absmax", (blocks + run - 1) / run);
        float[] most = new float[blocks];
        for (long i = 0; i < blocks; i++)
        {
            most[i] = (table[stored.Bytes(i, 1)[0]] * ofRuns[i / run]) + offset;
        }

        return most;
    }

    private static float[] Floats(ITensorSet checkpoint, string name, long count)
    {
        Tensor tensor = checkpoint.Get(name);
        CheckpointException.ThrowIf(
            tensor.Type != TensorType.Float32 || tensor.ElementCount != count, tensor.File, name,
            $"expected {count} numbers of F32");
        float[] values = new float[count];
        PackedTensors.Floats(tensor, 0, values);
        return values;
    }
}

namespace Octavo.Formats.Stored;

/// <summary>
/// Half-quadratic quantization: places in a range whose zero is a fraction, <c>(place − zero) · scale</c>, packed along
/// the groups.
/// </summary>
/// <remarks>
/// Tensors and packing: hqq's <c>core/quantize.py</c> and <c>core/bitpack.py</c>, as transformers stores them.
/// </remarks>
internal sealed class HqqConfig : QuantizationConfig
{
    public HqqConfig(ConfigReader config)
    {
        ConfigReader section = config.Section("quant_config") ?? config;
        ConfigReader weights = section.Section("weight_quant_params") ?? section;
        Require(weights, "axis", weights.Integer("axis") ?? 1, 0, 1);
        foreach (string nested in (ReadOnlySpan<string>)["scale_quant_params", "zero_quant_params"])
        {
            if (section.Find(nested) is { } value)
            {
                throw new UnsupportedModelException(config.File, section.PathOf(nested), value.GetRawText(), "null");
            }
        }

        (Bits, Group) = (weights.Integer("nbits") ?? 4, weights.Integer("group_size") ?? 64);
    }

    public override string Method => "hqq";

    public override string Summary => $"{Bits}-bit weights by group {Group} with fractional zeros, plain activations";

    private int Bits { get; }

    private int Group { get; }

    public override QuantizedMatrix? Find(ITensorSet checkpoint, string module) =>
        checkpoint.Contains($"{module}.W_q") ? HqqMatrix.Open(checkpoint, module) : null;
}

/// <summary>
/// A matrix of HQQ. Its weights, row after row, are cut into groups, which are the rows (<c>axis</c> 1) or the columns
/// (0) of what is packed; of that the first rows stand in the highest bits, the last ones in the lowest.
/// </summary>
internal sealed class HqqMatrix : QuantizedMatrix
{
    private readonly Tensor _packed;
    private readonly Tensor _scales;
    private readonly Tensor _zeros;
    private readonly int _bits;
    private readonly int _perWord;
    private readonly bool _groupsAreRows;
    private readonly long _width;       // of a row of what is packed
    private readonly long _lines;       // rows of what is packed

    private HqqMatrix(
        Tensor packed, Tensor scales, Tensor zeros, int bits, bool groupsAreRows, long width, long lines)
    {
        (_packed, _scales, _zeros, _bits) = (packed, scales, zeros, bits);
        (_groupsAreRows, _width, _lines) = (groupsAreRows, width, lines);
        _perWord = PerWord(bits);
    }

    /// <inheritdoc/>
    public override bool HasCodes => false;

    public override IReadOnlyList<string> Parts =>
    [
        "W_q", "scale", "zero", "nbits", "group_size", "shape", "axis", "packing", "unpack_view_dtype", "view_as_float",
        "quant_scale", "quant_zero", "compute_dtype", "channel_wise", "optimize", "round_zero", "stores_quant_config",
        "encoded_state_dict", "offload_meta",
    ];

    public static HqqMatrix Open(ITensorSet checkpoint, string module)
    {
        int bits = Number(checkpoint, $"{module}.nbits") ?? 4;
        Tensor packed = checkpoint.Get($"{module}.W_q");
        int perWord = bits is 8 or 4 or 3 or 2 or 1
            ? PerWord(bits)
            : throw new CheckpointException(
                packed.File, packed.Name, $"has codes of {bits} bits; supported: 8, 4, 3, 2, 1");
        CheckpointException.ThrowIf(
            packed.Type != (bits == 3 ? TensorType.Int32 : TensorType.UInt8) || packed.Shape.Count != 2, packed.File,
            packed.Name, $"expected a matrix of {(bits == 3 ? "I32" : "U8")}");
        Tensor described = checkpoint.Get($"{module}.shape");
        int[] shape = described.Type is TensorType.Int64 or TensorType.Int32 ? PackedTensors.Integers(described) : [];
        (int rows, int columns) = shape is [> 0 and var r, > 0 and var c]
            ? (r, c)
            : throw new CheckpointException(described.File, described.Name, "states no shape of two dimensions");
        bool groupsAreRows = (Number(checkpoint, $"{module}.axis") ?? 1) == 1;
        long elements = (long)rows * columns, width = packed.Shape[1];
        CheckpointException.ThrowIf(
            width == 0 || elements % width != 0 || packed.Shape[0] * perWord < elements / width, packed.File,
            packed.Name, $"does not hold the {elements} weights of [{rows}, {columns}]");
        long groups = groupsAreRows ? elements / width : width;
        return new HqqMatrix(
            packed, Floats(checkpoint, $"{module}.scale", groups), Floats(checkpoint, $"{module}.zero", groups), bits,
            groupsAreRows, width, packed.Shape[0])
        {
            Module = module,
            Rows = rows,
            Columns = columns,
            Kind = CodeKind.Integer,
            Bits = bits,
            GroupSize = columns,
            Asymmetric = true,
            ByteLength = packed.ByteLength,
        };
    }

    public override void ReadRow(int row, Span<float> destination)
    {
        Span<float> scale = stackalloc float[1], zero = stackalloc float[1];
        long loaded = -1, first = (long)row * Columns;
        for (int k = 0; k < Columns; k++)
        {
            (long line, long column) = Math.DivRem(first + k, _width);
            long group = _groupsAreRows ? line : column;
            if (group != loaded)
            {
                PackedTensors.Floats(_scales, group, scale);
                PackedTensors.Floats(_zeros, group, zero);
                loaded = group;
            }

            destination[k] = (Place(line, column) - zero[0]) * scale[0];
        }
    }

    public override void ReadCodes(int row, Span<sbyte> codes) => throw NoCodes();

    public override void ReadScales(int row, Span<float> scales) => throw NoCodes();

    public override void ReadZeros(int row, Span<int> zeros) => throw NoCodes();

    private static InvalidOperationException NoCodes() => new("its zeros are fractions");

    private static int PerWord(int bits) => bits == 3 ? 10 : 8 / bits;

    private int Place(long line, long column)
    {
        (long part, long packedLine) = Math.DivRem(line, _lines);
        int shift = (int)(_perWord - 1 - part) * _bits;
        long at = (packedLine * _width) + column;
        uint word = _bits == 3 ? PackedTensors.Word(_packed, at) : _packed.Bytes(at, 1)[0];
        return (int)(word >> shift & ((1u << _bits) - 1));
    }

    private static int? Number(ITensorSet checkpoint, string name) =>
        checkpoint.TryGet(name, out Tensor? tensor) && tensor.ElementCount == 1
            && tensor.Type is TensorType.Int32 or TensorType.Int64 or TensorType.UInt8
            ? tensor!.Type == TensorType.UInt8 ? tensor.Bytes(0, 1)[0] : PackedTensors.Integers(tensor)[0]
            : null;

    private static Tensor Floats(ITensorSet checkpoint, string name, long count)
    {
        Tensor tensor = checkpoint.Get(name);
        return tensor.ElementCount == count
            && tensor.Type is TensorType.Float32 or TensorType.Float16 or TensorType.BFloat16
            ? tensor
            : throw new CheckpointException(tensor.File, name, $"expected {count} numbers of F32, F16 or BF16");
    }
}

namespace Octavo.Formats.Stored;

/// <summary>
/// E4M3 weights with a scale for each block of rows and columns, as DeepSeek and Qwen publish them, or for each matrix
/// or channel: <c>weight</c>, and <c>weight_scale_inv</c> or <c>weight_scale</c>, which a weight is multiplied with.
/// </summary>
/// <remarks>Field names: transformers' <c>FineGrainedFP8Config</c>; vLLM's <c>fp8.py</c>.</remarks>
internal sealed class Float8Config : QuantizationConfig
{
    private static readonly string[] ScaleNames = ["weight_scale_inv", "weight_scale"];

    private readonly (int Rows, int Columns)? _block;
    private readonly string[] _ignored;

    public Float8Config(ConfigReader config)
    {
        Require(config, "fmt", config.Text("fmt") ?? "e4m3", "e4m3");
        _ignored = [.. config.Texts("modules_to_not_convert"), .. config.Texts("ignored_layers")];
        _block = config.Integers("weight_block_size") switch
        {
            [] => null,
            [> 0 and var rows, > 0 and var columns] => (rows, columns),
            _ => throw config.Invalid("weight_block_size", "must be two numbers above 0: rows and columns"),
        };
    }

    public override string Method => "fp8";

    public override string Summary => _block is { } block
        ? $"8-bit E4M3 weights by block {block.Rows}x{block.Columns}, E4M3 activations"
        : "8-bit E4M3 weights, E4M3 activations";

    public override IReadOnlyList<string> Notes =>
        ["E4M3 activations: activations are not rounded to eight bits here; weights are, as stored"];

    public override QuantizedMatrix? Find(ITensorSet checkpoint, string module)
    {
        if (!checkpoint.TryGet($"{module}.weight", out Tensor? weight) || weight.Type != TensorType.Float8E4M3)
        {
            return null;
        }

        if (Array.Exists(_ignored, name => module == name || module.EndsWith("." + name, StringComparison.Ordinal)))
        {
            throw new CheckpointException(
                weight.File, weight.Name, "is E4M3, but quantization_config says that its module is left alone");
        }

        string? scales = Array.Find([.. ScaleNames.Select(name => $"{module}.{name}")], checkpoint.Contains);
        return new Float8Matrix(
            weight,
            scales is null
                ? throw new CheckpointException(weight.File, weight.Name, $"has no {string.Join(" or ", ScaleNames)}")
                : checkpoint.Get(scales),
            _block)
        {
            Module = module,
        };
    }
}

/// <summary>A matrix in E4M3, and the scales of its blocks.</summary>
internal sealed class Float8Matrix : QuantizedMatrix
{
    private readonly Tensor _weight;
    private readonly Tensor _scales;
    private readonly int _rowsPerScale;
    private readonly string _scalesPart;

    [System.Diagnostics.CodeAnalysis.SetsRequiredMembers]
    public Float8Matrix(Tensor weight, Tensor scales, (int Rows, int Columns)? block)
    {
        (_weight, _scales) = (weight, scales);
        if (weight.Shape is not [var rows, var columns])
        {
            throw PackedTensors.WrongShape(weight, "out, in");
        }

        Module = string.Empty;
        (Rows, Columns) = (checked((int)rows), checked((int)columns));
        (Kind, Bits, Asymmetric, Activations) = (CodeKind.Float8, 8, false, StoredActivations.Float8);

        // Without blocks, one scale is of all rows, or each row has its own.
        (_rowsPerScale, GroupSize) = block is { } size ? (size.Rows, Math.Min(size.Columns, Columns))
            : scales.ElementCount == 1 ? (Rows, Columns)
            : (1, Columns);
        long expected = (long)((Rows + _rowsPerScale - 1) / _rowsPerScale) * Groups;
        if (scales.ElementCount != expected
            || scales.Type is not (TensorType.Float32 or TensorType.BFloat16 or TensorType.Float16))
        {
            throw PackedTensors.WrongShape(scales, $"{(Rows + _rowsPerScale - 1) / _rowsPerScale}, {Groups}");
        }

        _scalesPart = scales.Name[(scales.Name.LastIndexOf('.') + 1)..];
        ByteLength = weight.ByteLength + scales.ByteLength;
    }

    public override IReadOnlyList<string> Parts => ["weight", _scalesPart, "input_scale", "activation_scale"];

    public override void ReadCodes(int row, Span<sbyte> codes) => System.Runtime.InteropServices.MemoryMarshal
        .Cast<byte, sbyte>(_weight.Bytes((long)row * Columns, Columns)).CopyTo(codes);

    public override void ReadScales(int row, Span<float> scales) =>
        PackedTensors.Floats(_scales, (long)(row / _rowsPerScale) * Groups, scales[..Groups]);

    public override void ReadZeros(int row, Span<int> zeros) => zeros[..Groups].Clear();
}

using System.Text.Json;

namespace Octavo.Formats.Stored;

/// <summary>
/// The configuration of AutoGPTQ and GPTQModel: <c>qweight</c> packed along the inputs, <c>qzeros</c> along the
/// outputs, <c>scales</c>, and <c>g_idx</c>, the group of each input.
/// </summary>
/// <remarks>Field names: AutoGPTQ, <c>quantization/config.py</c>; GPTQModel, <c>quantization/config.py</c>.</remarks>
internal sealed class GptqConfig : QuantizationConfig
{
    private readonly int _bits;
    private readonly int _groupSize;
    private readonly bool _storedMinusOne;
    private readonly bool? _symmetric;     // null where the file does not say: then qzeros tell

    public GptqConfig(ConfigReader config)
    {
        _bits = config.Integer("bits") ?? throw config.Missing("bits");
        Require(config, "bits", _bits, 4, 8);
        _groupSize = config.Integer("group_size") ?? throw config.Missing("group_size");
        if (_groupSize is 0 or < -1)
        {
            throw config.Invalid(
                "group_size", FormattableString.Invariant($"is {_groupSize}; it must be above 0, or -1"));
        }

        string format = config.Text("checkpoint_format") ?? "gptq";
        Require(config, "checkpoint_format", format, "gptq", "gptq_v2");
        Require(config, "pack_dtype", config.Text("pack_dtype") ?? "int32", "int32");
        if (config.Find("dynamic") is { } rules
            && !(rules.ValueKind == JsonValueKind.Object && !rules.EnumerateObject().Any()))
        {
            throw new UnsupportedModelException(
                config.File, config.PathOf("dynamic"), rules.GetRawText(), "null (one scheme for all modules)");
        }

        _storedMinusOne = format == "gptq";
        _symmetric = config.Has("sym") ? config.Flag("sym", false) : null;
    }

    public override string Method => "gptq";

    public override string Summary =>
        $"{_bits}-bit integer weights by {(_groupSize < 0 ? "channel" : $"group {_groupSize}")}, "
            + $"{(_symmetric == true ? "symmetric, " : string.Empty)}plain activations";

    // What has a qweight is quantized; which modules those are is written nowhere.
    public override QuantizedMatrix? Find(ITensorSet checkpoint, string module) =>
        checkpoint.Contains($"{module}.qweight") ? GptqMatrix.Open(
            checkpoint, module, _bits, _groupSize, _storedMinusOne,
            _symmetric ?? !checkpoint.Contains($"{module}.qzeros")) : null;
}

/// <summary>
/// A matrix of GPTQ: word <c>[r, m]</c> of <c>qweight [in · b/32, out]</c> holds inputs <c>32/b · r …</c> of output m,
/// low bits first; word <c>[g, c]</c> of <c>qzeros</c> outputs <c>32/b · c …</c>. Version 1 stores each zero-point less
/// one. Of symmetric weights the zero-point is 2^(b−1): <c>qzeros</c> says the same in two ways, and there are files
/// whose words are of one version and whose label of the other, so it is not read, and may be absent.
/// </summary>
internal sealed class GptqMatrix : QuantizedMatrix
{
    private readonly Tensor _weights;
    private readonly Tensor? _zeros;     // null where weights are symmetric
    private readonly Tensor _scales;
    private readonly int _zeroOffset;

    private GptqMatrix(Tensor weights, Tensor? zeros, Tensor scales, bool storedMinusOne)
    {
        (_weights, _zeros, _scales, _zeroOffset) = (weights, zeros, scales, storedMinusOne ? 1 : 0);
    }

    public static GptqMatrix Open(
        ITensorSet checkpoint, string module, int bits, int groupSize, bool storedMinusOne, bool symmetric)
    {
        int perWord = 32 / bits;
        Tensor weights = checkpoint.Get($"{module}.qweight");
        if (weights.Type != TensorType.Int32 || weights.Shape.Count != 2)
        {
            throw new CheckpointException(
                weights.File, weights.Name,
                $"expected a matrix of I32, found {weights.Type.Name()} [{string.Join(", ", weights.Shape)}]");
        }

        int columns = checked((int)(weights.Shape[0] * perWord));
        int rows = checked((int)weights.Shape[1]);
        int group = groupSize < 0 ? columns : Math.Min(groupSize, columns);
        int groups = (columns + group - 1) / group;
        Tensor? zeros = symmetric
            ? null
            : PackedTensors.Require(
                checkpoint, $"{module}.qzeros", [TensorType.Int32], groups, (rows + perWord - 1) / perWord);
        Tensor scales = PackedTensors.Require(
            checkpoint,
            $"{module}.scales",
            [TensorType.Float16, TensorType.BFloat16, TensorType.Float32],
            groups,
            rows);
        int[]? index = checkpoint.Contains($"{module}.g_idx")
            ? PackedTensors.GroupIndex(
                PackedTensors.Require(checkpoint, $"{module}.g_idx", [TensorType.Int32], columns), group, groups)
            : null;
        return new GptqMatrix(weights, zeros, scales, storedMinusOne)
        {
            Module = module,
            Rows = rows,
            Columns = columns,
            Kind = CodeKind.Integer,
            Bits = bits,
            GroupSize = group,
            Asymmetric = !symmetric,
            GroupIndex = index,
            ByteLength = weights.ByteLength + (zeros?.ByteLength ?? 0) + scales.ByteLength,
        };
    }

    public override IReadOnlyList<string> Parts => ["qweight", "qzeros", "scales", "g_idx"];

    public override void ReadCodes(int row, Span<sbyte> codes)
    {
        int perWord = 32 / Bits;
        uint mask = (1u << Bits) - 1;
        for (int k = 0; k < Columns; k += perWord)
        {
            uint word = PackedTensors.Word(_weights, ((long)k / perWord * Rows) + row);
            for (int i = 0; i < perWord; i++, word >>= Bits)
            {
                codes[k + i] = (sbyte)((int)(word & mask) - (1 << (Bits - 1)));
            }
        }
    }

    public override void ReadScales(int row, Span<float> scales)
    {
        for (int g = 0; g < Groups; g++)
        {
            PackedTensors.Floats(_scales, ((long)g * Rows) + row, scales.Slice(g, 1));
        }
    }

    public override void ReadZeros(int row, Span<int> zeros)
    {
        if (_zeros is null)
        {
            zeros[..Groups].Clear();
            return;
        }

        int perWord = 32 / Bits;
        long words = (Rows + perWord - 1) / perWord;
        int mask = (1 << Bits) - 1;
        for (int g = 0; g < Groups; g++)
        {
            uint word = PackedTensors.Word(_zeros, (g * words) + (row / perWord));

            // The highest number is the zero-point 0 less one, wrapped.
            zeros[g] = (((int)(word >> (row % perWord * Bits)) + _zeroOffset) & mask) - (1 << (Bits - 1));
        }
    }
}

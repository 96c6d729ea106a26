namespace Octavo.Formats.Stored;

/// <summary>
/// The configuration of AutoAWQ, version GEMM: weights and zero-points packed along the outputs, woven.
/// </summary>
/// <remarks>
/// Field names and order of codes: AutoAWQ, <c>models/_config.py</c> and <c>modules/linear/gemm.py</c>.
/// </remarks>
internal sealed class AwqConfig : QuantizationConfig
{
    private readonly int _groupSize;

    public AwqConfig(ConfigReader config)
    {
        // AutoAWQ's own file says w_bit and q_group_size, transformers' bits and group_size.
        Require(config, "bits", config.Integer("bits") ?? config.Integer("w_bit") ?? throw config.Missing("bits"), 4);
        _groupSize =
            config.Integer("group_size") ?? config.Integer("q_group_size") ?? throw config.Missing("group_size");
        if (_groupSize is 0 or < -1)
        {
            throw config.Invalid(
                "group_size", FormattableString.Invariant($"is {_groupSize}; it must be above 0, or -1"));
        }

        Require(config, "version", (config.Text("version") ?? "gemm").ToLowerInvariant(), "gemm");
    }

    public override string Method => "awq";

    public override string Summary =>
        $"4-bit integer weights by {(_groupSize < 0 ? "channel" : $"group {_groupSize}")}, plain activations";

    public override QuantizedMatrix? Find(ITensorSet checkpoint, string module) =>
        checkpoint.Contains($"{module}.qweight") ? AwqMatrix.Open(checkpoint, module, _groupSize) : null;
}

/// <summary>
/// A matrix of AutoAWQ's GEMM version: word <c>[k, c]</c> of <c>qweight [in, out/8]</c> holds outputs
/// <c>8c … 8c + 7</c> of input k, even ones in the lower four places and odd ones in the upper;
/// <c>qzeros [groups, out/8]</c> likewise.
/// </summary>
internal sealed class AwqMatrix : QuantizedMatrix
{
    private const int PerWord = 8;
    private const int Above = 8;

    private readonly Tensor _weights;
    private readonly Tensor _zeros;
    private readonly Tensor _scales;

    private AwqMatrix(Tensor weights, Tensor zeros, Tensor scales)
    {
        (_weights, _zeros, _scales) = (weights, zeros, scales);
    }

    public static AwqMatrix Open(ITensorSet checkpoint, string module, int groupSize)
    {
        Tensor weights = checkpoint.Get($"{module}.qweight");
        if (weights.Type != TensorType.Int32 || weights.Shape.Count != 2)
        {
            throw new CheckpointException(
                weights.File, weights.Name,
                $"expected a matrix of I32, found {weights.Type.Name()} [{string.Join(", ", weights.Shape)}]");
        }

        int columns = checked((int)weights.Shape[0]);
        int rows = checked((int)(weights.Shape[1] * PerWord));
        int group = groupSize < 0 ? columns : Math.Min(groupSize, columns);
        int groups = (columns + group - 1) / group;
        Tensor zeros =
            PackedTensors.Require(checkpoint, $"{module}.qzeros", [TensorType.Int32], groups, weights.Shape[1]);
        Tensor scales = PackedTensors.Require(
            checkpoint,
            $"{module}.scales",
            [TensorType.Float16, TensorType.BFloat16, TensorType.Float32],
            groups,
            rows);
        return new AwqMatrix(weights, zeros, scales)
        {
            Module = module,
            Rows = rows,
            Columns = columns,
            Kind = CodeKind.Integer,
            Bits = 4,
            GroupSize = group,
            Asymmetric = true,
            ByteLength = weights.ByteLength + zeros.ByteLength + scales.ByteLength,
        };
    }

    public override IReadOnlyList<string> Parts => ["qweight", "qzeros", "scales"];

    public override void ReadCodes(int row, Span<sbyte> codes)
    {
        int shift = Shift(row);
        for (int k = 0; k < Columns; k++)
        {
            codes[k] = (sbyte)(Nibble(_weights, k, row, shift) - Above);
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
        int shift = Shift(row);
        for (int g = 0; g < Groups; g++)
        {
            zeros[g] = Nibble(_zeros, g, row, shift) - Above;
        }
    }

    private static int Shift(int row) => 4 * (((row % 2) * 4) + (row % PerWord / 2));

    private int Nibble(Tensor tensor, int line, int row, int shift) =>
        (int)(PackedTensors.Word(tensor, ((long)line * (Rows / PerWord)) + (row / PerWord)) >> shift) & 0x0F;
}

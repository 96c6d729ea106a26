using System.Runtime.InteropServices;

namespace Octavo.Formats.Stored;

/// <summary>
/// torchao's tensors as transformers writes them to safetensors: of <c>weight</c> the parts <c>_weight_qdata</c>,
/// <c>_weight_scale</c> and perhaps <c>_weight_zero_point</c>, with integers of eight bits or E4M3 numbers.
/// </summary>
/// <remarks>Parts: torchao's <c>prototype/safetensors</c>; <c>Int8Tensor</c>, <c>IntxUnpackedToInt8Tensor</c> and
/// <c>Float8Tensor</c>.</remarks>
internal sealed class TorchAoConfig : QuantizationConfig
{
    public override string Method => "torchao";

    public override string Summary => "8-bit weights, plain activations";

    public override IReadOnlyList<string> Notes =>
        ["torchao: activations are not rounded to eight bits here; weights are, as stored"];

    public override QuantizedMatrix? Find(ITensorSet checkpoint, string module) =>
        checkpoint.Contains($"{module}._weight_qdata") ? TorchAoMatrix.Open(checkpoint, module) : null;
}

/// <summary>A matrix of torchao.</summary>
internal sealed class TorchAoMatrix : QuantizedMatrix
{
    private readonly Tensor _codes;
    private readonly Tensor _scales;
    private readonly Tensor? _zeros;
    private readonly bool _ofAll;

    private TorchAoMatrix(Tensor codes, Tensor scales, Tensor? zeros, bool ofAll) =>
        (_codes, _scales, _zeros, _ofAll) = (codes, scales, zeros, ofAll);

    public override IReadOnlyList<string> Parts => ["_weight_qdata", "_weight_scale", "_weight_zero_point"];

    public static TorchAoMatrix Open(ITensorSet checkpoint, string module)
    {
        Tensor codes = checkpoint.Get($"{module}._weight_qdata");
        if (codes.Type is not (TensorType.Int8 or TensorType.Float8E4M3) || codes.Shape is not [var rows, var columns])
        {
            throw new CheckpointException(
                codes.File, codes.Name, $"is {codes.Type.Name()} [{string.Join(", ", codes.Shape)}]; supported: matrices "
                    + "of I8 or F8_E4M3 (Int8Tensor, IntxUnpackedToInt8Tensor, Float8Tensor), not packed 4-bit ones");
        }

        Tensor scales = checkpoint.Get($"{module}._weight_scale");
        bool ofAll = scales.ElementCount == 1;
        long groups = ofAll ? 1 : scales.ElementCount / Math.Max(1, rows);
        CheckpointException.ThrowIf(
            groups == 0 || columns % groups != 0 || (!ofAll && scales.ElementCount != rows * groups)
                || scales.Type is not (TensorType.Float32 or TensorType.BFloat16 or TensorType.Float16), scales.File,
            scales.Name, $"does not fit weights of [{rows}, {columns}]");
        checkpoint.TryGet($"{module}._weight_zero_point", out Tensor? zeros);
        CheckpointException.ThrowIf(
            zeros is not null && (zeros.Type != TensorType.Int8 || zeros.ElementCount != scales.ElementCount),
            codes.File, $"{module}._weight_zero_point", "expected as many of I8 as there are scales");
        return new TorchAoMatrix(codes, scales, zeros, ofAll)
        {
            Module = module,
            Rows = checked((int)rows),
            Columns = checked((int)columns),
            Kind = codes.Type == TensorType.Int8 ? CodeKind.Integer : CodeKind.Float8,
            Bits = 8,
            GroupSize = checked((int)(columns / groups)),
            Asymmetric = zeros is not null,
            ByteLength = codes.ByteLength + scales.ByteLength,
        };
    }

    public override void ReadCodes(int row, Span<sbyte> codes) =>
        MemoryMarshal.Cast<byte, sbyte>(_codes.Bytes((long)row * Columns, Columns)).CopyTo(codes);

    public override void ReadScales(int row, Span<float> scales) =>
        PackedTensors.Floats(_scales, _ofAll ? 0 : (long)row * Groups, scales[..Groups]);

    public override void ReadZeros(int row, Span<int> zeros)
    {
        for (int g = 0; g < Groups; g++)
        {
            zeros[g] = _zeros is null ? 0 : (sbyte)_zeros.Bytes(_ofAll ? 0 : ((long)row * Groups) + g, 1)[0];
        }
    }
}

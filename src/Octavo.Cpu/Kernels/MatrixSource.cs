using Octavo.Formats;

namespace Octavo.Cpu.Kernels;

/// <summary>A weight matrix <c>[out, in]</c>, and perhaps a bias <c>[out]</c>, to be packed; several may be stacked.</summary>
internal abstract class MatrixSource
{
    /// <summary>Output features.</summary>
    public abstract int Rows { get; }

    /// <summary>Input features.</summary>
    public abstract int Columns { get; }

    public abstract bool HasBias { get; }

    /// <summary>Reads one output feature's weights; called by several threads at once.</summary>
    public abstract void ReadRow(int row, Span<float> destination);

    public abstract void ReadBias(Span<float> destination);
}

/// <summary>A matrix of a checkpoint.</summary>
internal sealed class TensorMatrix(Tensor weight, Tensor? bias) : MatrixSource
{
    private readonly int _rowBytes = checked((int)(weight.ByteLength / weight.Shape[0]));

    public override int Rows { get; } = checked((int)weight.Shape[0]);

    public override int Columns { get; } = checked((int)weight.Shape[1]);

    public override bool HasBias => bias is not null;

    public override void ReadRow(int row, Span<float> destination) =>
        ElementConversion.ToFloat32(weight.Type, weight.Bytes((long)row * _rowBytes, _rowBytes), destination);

    public override void ReadBias(Span<float> destination) =>
        ElementConversion.ToFloat32(bias!.Type, bias.Bytes(0, checked((int)bias.ByteLength)), destination);
}

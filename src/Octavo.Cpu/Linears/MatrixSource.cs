using Octavo.Formats;

namespace Octavo.Cpu.Linears;

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

/// <summary>Matrices one above another: what shares an input is one matrix.</summary>
internal sealed class StackedMatrix(IReadOnlyList<MatrixSource> parts) : MatrixSource
{
    public override int Rows { get; } = checked(parts.Sum(p => p.Rows));

    public override int Columns => parts[0].Columns;

    public override bool HasBias => parts.Any(p => p.HasBias);

    public override void ReadRow(int row, Span<float> destination)
    {
        int part = 0;
        while (row >= parts[part].Rows)
        {
            row -= parts[part++].Rows;
        }

        parts[part].ReadRow(row, destination);
    }

    public override void ReadBias(Span<float> destination)
    {
        foreach (MatrixSource part in parts)
        {
            if (part.HasBias)
            {
                part.ReadBias(destination[..part.Rows]);
            }

            destination = destination[part.Rows..];
        }
    }
}

/// <summary>
/// A gate and what it gates, woven so that a panel holds sixteen features of the one and the same sixteen of the other:
/// whoever computes a panel has both and needs not write them down. Filled up with zeros to whole panels.
/// </summary>
internal sealed class GatedMatrix(MatrixSource gate, MatrixSource up) : MatrixSource
{
    /// <summary>Features of each in a panel.</summary>
    public const int Half = PanelLayout.Width / 2;

    public override int Rows { get; } = RowsFor(gate.Rows);

    public override int Columns => gate.Columns;

    public override bool HasBias => gate.HasBias || up.HasBias;

    /// <summary>Rows of the woven matrix.</summary>
    public static int RowsFor(int features) => checked((features + Half - 1) / Half * PanelLayout.Width);

    public override void ReadRow(int row, Span<float> destination)
    {
        (MatrixSource part, int feature) = Of(row);
        if (feature < part.Rows)
        {
            part.ReadRow(feature, destination);
        }
        else
        {
            destination.Clear();
        }
    }

    public override void ReadBias(Span<float> destination)
    {
        float[] gates = new float[gate.Rows];
        float[] ups = new float[up.Rows];
        if (gate.HasBias)
        {
            gate.ReadBias(gates);
        }

        if (up.HasBias)
        {
            up.ReadBias(ups);
        }

        for (int row = 0; row < Rows; row++)
        {
            (MatrixSource part, int feature) = Of(row);
            float[] bias = part == gate ? gates : ups;
            destination[row] = feature < bias.Length ? bias[feature] : 0;
        }
    }

    private (MatrixSource Part, int Feature) Of(int row) =>
        (row % PanelLayout.Width < Half ? gate : up, (row / PanelLayout.Width * Half) + (row % Half));
}

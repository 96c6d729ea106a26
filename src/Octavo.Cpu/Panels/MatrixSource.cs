using System.Collections.Concurrent;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Cpu.Panels;

/// <summary>
/// A weight matrix <c>[out, in]</c>, and perhaps a bias <c>[out]</c>, to be packed; several may be stacked.
/// </summary>
internal abstract class MatrixSource
{
    /// <summary>Output features.</summary>
    public abstract int Rows { get; }

    /// <summary>Input features.</summary>
    public abstract int Columns { get; }

    public abstract bool HasBias { get; }

    /// <summary>Bytes that the weights take where they are read from; for progress.</summary>
    public virtual long StoredBytes => 0;

    /// <summary>Reads one output feature's weights; called by several threads at once.</summary>
    public abstract void ReadRow(int row, Span<float> destination);

    public abstract void ReadBias(Span<float> destination);

    /// <summary>
    /// The scheme whose codes the weights are stored in already; null where they are read as numbers.
    /// </summary>
    public virtual LinearScheme? Stored => null;

    /// <summary>Whether the weights are stored quantized, be it as codes that a kernel reads or not.</summary>
    public virtual bool IsQuantized => false;

    /// <summary>
    /// Which input stands at each place of <see cref="ReadCodes"/>, <c>[in]</c>, where groups are not made of
    /// neighbours; null where inputs stand in their order. Rows of numbers are always in order.
    /// </summary>
    public virtual int[]? InputOrder => null;

    /// <summary>
    /// The scale and zero-point that activations are quantized with beside stored codes; null where each row gets its
    /// own.
    /// </summary>
    public virtual InputRange? StaticInput => null;

    /// <summary>How GGUF's blocks hold the weights; null where they do not.</summary>
    public virtual BlockFormat? Blocks => null;

    /// <summary>Reads one output feature's stored codes; called by several threads at once.</summary>
    /// <param name="row">The output feature.</param>
    /// <param name="scheme">The scheme that they are to be of: <see cref="Stored"/>, or that of a matrix in which they
    /// stand beside others.</param>
    /// <param name="coded">Receives them.</param>
    public virtual void ReadCodes(int row, LinearScheme scheme, CodedRow coded) =>
        throw new InvalidOperationException("these weights are not stored as codes");

    /// <summary>The scheme that holds the codes of several matrices alike, or null where there is none.</summary>
    protected static LinearScheme? Common(MatrixSource first, IEnumerable<MatrixSource> others)
    {
        BlockFormat?[] blocks = [first.Blocks, .. others.Select(other => other.Blocks)];
        if (first.Stored is { } ofBlocks && Array.TrueForAll(blocks, format => format is not null))
        {
            return BlockMatrix.SchemeFor(blocks!, ofBlocks.Input);
        }

        LinearScheme? scheme = first.Stored;
        foreach (MatrixSource other in others)
        {
            bool alike = scheme is not null && other.Stored is { } stored
                && scheme with { Asymmetric = stored.Asymmetric } == stored
                && first.StaticInput is null == other.StaticInput is null
                && (first.InputOrder ?? []).AsSpan().SequenceEqual(other.InputOrder ?? []);
            scheme = alike ? scheme! with { Asymmetric = scheme.Asymmetric || other.Stored!.Asymmetric } : null;
        }

        return scheme;
    }
}

/// <summary>Room for the codes of an output feature.</summary>
internal readonly ref struct CodedRow(
    Span<sbyte> codes, Span<float> scales, Span<int> zeros, Span<float> minimums)
{
    /// <summary>
    /// The codes, <c>[in]</c>: signed, or, where there are minimums, unsigned ones of eight bits in the same bytes.
    /// </summary>
    public Span<sbyte> Codes { get; } = codes;

    /// <summary>The scales, one for each group, or one.</summary>
    public Span<float> Scales { get; } = scales;

    /// <summary>As many zero-points.</summary>
    public Span<int> Zeros { get; } = zeros;

    /// <summary>As many minimums.</summary>
    public Span<float> Minimums { get; } = minimums;

    /// <summary>Where scales are products: what the scales of each 256 inputs are multiplied with.</summary>
    public Span<Half> ScaleUnits { get; init; }

    /// <summary>And their minimums; what is multiplied stands in <see cref="Scales"/> and <see cref="Minimums"/>.</summary>
    public Span<Half> MinimumUnits { get; init; }

    /// <summary>Makes all of it zero.</summary>
    public void Clear()
    {
        Codes.Clear();
        Scales.Clear();
        Zeros.Clear();
        Minimums.Clear();
        ScaleUnits.Clear();
        MinimumUnits.Clear();
    }
}

/// <summary>
/// How activations become codes where that was settled beforehand: <c>code = round(x / Scale) + Zero</c>.
/// </summary>
internal readonly record struct InputRange(float Scale, int Zero)
{
    /// <summary>
    /// The range that holds those of several layers which read the same activations, as vLLM joins them.
    /// </summary>
    public static InputRange? Join(IEnumerable<InputRange?> ranges)
    {
        InputRange?[] all = [.. ranges.Distinct()];
        if (all.Length == 1 || Array.Exists(all, r => r is null))
        {
            return all.Length == 1 ? all[0] : null;
        }

        if (Array.TrueForAll(all, r => r!.Value.Zero == 0))
        {
            return new InputRange(all.Max(r => r!.Value.Scale), 0);
        }

        float highest = all.Max(r => r!.Value.Scale * (127 - r.Value.Zero)),
            lowest = all.Min(r => r!.Value.Scale * (-128 - r.Value.Zero));
        float scale = (highest - lowest) / 255;
        return new InputRange(scale, (int)MathF.Round(-128 - (lowest / scale)));
    }
}

/// <summary>A matrix whose shape is all that is known: for plans.</summary>
internal sealed class UnreadMatrix(int rows, int columns, bool bias) : MatrixSource
{
    public override int Rows => rows;

    public override int Columns => columns;

    public override bool HasBias => bias;

    public override void ReadRow(int row, Span<float> destination) =>
        throw new InvalidOperationException("a matrix of a plan has no weights");

    public override void ReadBias(Span<float> destination) =>
        throw new InvalidOperationException("a matrix of a plan has no bias");
}

/// <summary>A matrix of a checkpoint.</summary>
internal sealed class TensorMatrix(Tensor weight, Tensor? bias) : MatrixSource
{
    private readonly int _rowBytes = checked((int)(weight.ByteLength / weight.Shape[0]));

    public override int Rows { get; } = checked((int)weight.Shape[0]);

    public override int Columns { get; } = checked((int)weight.Shape[1]);

    public override bool HasBias => bias is not null;

    public override long StoredBytes => weight.ByteLength;

    public override void ReadRow(int row, Span<float> destination) =>
        ElementConversion.ToFloat32(weight.Type, weight.Bytes((long)row * _rowBytes, _rowBytes), destination);

    public override void ReadBias(Span<float> destination) =>
        ElementConversion.ToFloat32(bias!.Type, bias.Bytes(0, checked((int)bias.ByteLength)), destination);
}

/// <summary>A matrix that is stored <c>[in, out]</c>.</summary>
internal sealed class TransposedMatrix(Tensor weight, Tensor? bias) : MatrixSource
{
    // A cache line of the narrowest type: of each stored row it is read whole.
    private const int BlockRows = 32;

    // Rows are read one behind another, by several threads: each keeps the neighbours of its last one.
    private readonly ConcurrentDictionary<int, Block> _blocks = [];

    public override int Rows { get; } = checked((int)weight.Shape[1]);

    public override int Columns { get; } = checked((int)weight.Shape[0]);

    public override bool HasBias => bias is not null;

    public override long StoredBytes => weight.ByteLength;

    public override void ReadRow(int row, Span<float> destination)
    {
        Block block = _blocks.GetOrAdd(Environment.CurrentManagedThreadId, _ => new Block());
        int first = row / BlockRows * BlockRows;
        if (block.First != first)
        {
            Read(block, first);
        }

        block.Values.AsSpan((row - first) * Columns, Columns).CopyTo(destination);
    }

    public override void ReadBias(Span<float> destination) =>
        ElementConversion.ToFloat32(bias!.Type, bias.Bytes(0, checked((int)bias.ByteLength)), destination);

    private void Read(Block block, int first)
    {
        int count = Math.Min(BlockRows, Rows - first);
        int size = checked((int)(weight.ByteLength / weight.Shape[0] / weight.Shape[1]));
        Span<float> stored = stackalloc float[BlockRows];
        block.Values ??= new float[BlockRows * Columns];
        for (int k = 0; k < Columns; k++)
        {
            ElementConversion.ToFloat32(
                weight.Type, weight.Bytes((((long)k * Rows) + first) * size, count * size), stored[..count]);
            for (int i = 0; i < count; i++)
            {
                block.Values[(i * Columns) + k] = stored[i];
            }
        }

        block.First = first;
    }

    private sealed class Block
    {
        public int First { get; set; } = -1;

        public float[]? Values { get; set; }
    }
}

/// <summary>Some rows of a matrix: one of several that a tensor holds.</summary>
internal sealed class RowsOfMatrix(MatrixSource all, StoredRows stored, int rows) : MatrixSource
{
    public override LinearScheme? Stored => all.Stored;

    public override BlockFormat? Blocks => all.Blocks;

    public override int[]? InputOrder => all.InputOrder;

    public override InputRange? StaticInput => all.StaticInput;

    public override int Rows => rows;

    public override int Columns => all.Columns;

    public override bool HasBias => all.HasBias;

    public override bool IsQuantized => all.IsQuantized;

    public override long StoredBytes => all.StoredBytes / all.Rows * rows;

    public override void ReadRow(int row, Span<float> destination) => all.ReadRow(stored.Of(row), destination);

    public override void ReadCodes(int row, LinearScheme scheme, CodedRow coded) =>
        all.ReadCodes(stored.Of(row), scheme, coded);

    public override void ReadBias(Span<float> destination)
    {
        float[] biases = new float[all.Rows];
        all.ReadBias(biases);
        for (int row = 0; row < rows; row++)
        {
            destination[row] = biases[stored.Of(row)];
        }
    }
}

/// <summary>Matrices one above another: what shares an input is one matrix.</summary>
internal sealed class StackedMatrix(IReadOnlyList<MatrixSource> parts) : MatrixSource
{
    public override LinearScheme? Stored { get; } = Common(parts[0], parts.Skip(1));

    public override int[]? InputOrder => Stored is null ? null : parts[0].InputOrder;

    public override InputRange? StaticInput =>
        Stored is null ? null : InputRange.Join(parts.Select(p => p.StaticInput));

    public override int Rows { get; } = checked(parts.Sum(p => p.Rows));

    public override int Columns => parts[0].Columns;

    public override bool HasBias => parts.Any(p => p.HasBias);

    public override long StoredBytes => parts.Sum(p => p.StoredBytes);

    public override void ReadRow(int row, Span<float> destination)
    {
        MatrixSource part = PartOf(ref row);
        part.ReadRow(row, destination);
    }

    public override void ReadCodes(int row, LinearScheme scheme, CodedRow coded)
    {
        MatrixSource part = PartOf(ref row);
        part.ReadCodes(row, scheme, coded);
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

    private MatrixSource PartOf(ref int row)
    {
        int part = 0;
        while (row >= parts[part].Rows)
        {
            row -= parts[part++].Rows;
        }

        return parts[part];
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

    public override LinearScheme? Stored { get; } = Common(gate, [up]);

    public override int[]? InputOrder => Stored is null ? null : gate.InputOrder;

    public override InputRange? StaticInput =>
        Stored is null ? null : InputRange.Join([gate.StaticInput, up.StaticInput]);

    public override int Rows { get; } = RowsFor(gate.Rows);

    public override int Columns => gate.Columns;

    public override bool HasBias => gate.HasBias || up.HasBias;

    public override long StoredBytes => gate.StoredBytes + up.StoredBytes;

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

    public override void ReadCodes(int row, LinearScheme scheme, CodedRow coded)
    {
        (MatrixSource part, int feature) = Of(row);
        if (feature < part.Rows)
        {
            part.ReadCodes(feature, scheme, coded);
        }
        else
        {
            coded.Clear();
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

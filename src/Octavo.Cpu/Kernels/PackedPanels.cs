using Octavo.Cpu.Simd;
using Octavo.Formats;

namespace Octavo.Cpu.Kernels;

/// <summary>How a weight matrix is stored for this processor.</summary>
public enum WeightFormat
{
    /// <summary>Four bytes a weight.</summary>
    Float32,

    /// <summary>Two bytes a weight; checkpoints in bfloat16 lose nothing.</summary>
    BFloat16,
}

/// <summary>A matrix (and bias) of a checkpoint; several may be stacked into one <see cref="PackedPanels"/>.</summary>
/// <param name="Weight"><c>[out, in]</c></param>
/// <param name="Bias"><c>[out]</c>, or null.</param>
internal sealed record MatrixSource(Tensor Weight, Tensor? Bias);

/// <summary>
/// A weight matrix in the order that kernels read it: panels of 32 output features, each <c>[inFeatures][32]</c>, read
/// strictly forward. The last panel is filled up with zeros.
/// </summary>
internal sealed unsafe class PackedPanels : IDisposable
{
    /// <summary>Output features a panel; a multiple of two vectors of every instruction set.</summary>
    public const int Width = 32;

    private readonly NativeBuffer _weights;
    private readonly NativeBuffer? _bias;

    public PackedPanels(IReadOnlyList<MatrixSource> sources, WeightFormat format)
    {
        InFeatures = checked((int)sources[0].Weight.Shape[1]);
        OutFeatures = checked((int)sources.Sum(s => s.Weight.Shape[0]));
        (Format, Count) = (format, (OutFeatures + Width - 1) / Width);
        (long weights, long bias) = BytesFor(OutFeatures, InFeatures, sources.Any(s => s.Bias is not null), format);
        PanelBytes = weights / Count;
        _weights = new NativeBuffer(weights);
        _bias = bias > 0 ? new NativeBuffer(bias) : null;
        if (format == WeightFormat.Float32)
        {
            Pack<Float32Element>(sources);
        }
        else
        {
            Pack<BFloat16Element>(sources);
        }
    }

    public int InFeatures { get; }

    public int OutFeatures { get; }

    public WeightFormat Format { get; }

    /// <summary>Panels.</summary>
    public int Count { get; }

    public long PanelBytes { get; }

    /// <summary>Bytes that the panels occupy, padding included.</summary>
    public long Bytes => _weights.Length + (_bias?.Length ?? 0);

    /// <summary>Bytes of a matrix's panels and of its bias, padding included; the packer takes as many.</summary>
    public static (long Weights, long Bias) BytesFor(long outFeatures, long inFeatures, bool bias, WeightFormat format)
    {
        long features = (outFeatures + Width - 1) / Width * Width;
        int size = format == WeightFormat.Float32 ? Float32Element.Size : BFloat16Element.Size;
        return (features * inFeatures * size, bias ? features * sizeof(float) : 0);
    }

    public byte* Panel(int index) => _weights.Pointer + (index * PanelBytes);

    /// <summary>The bias of a panel's features, or null.</summary>
    public float* Bias(int index) => _bias is null ? null : _bias.Floats + ((long)index * Width);

    public void Dispose()
    {
        _weights.Dispose();
        _bias?.Dispose();
    }

    private void Pack<TElement>(IReadOnlyList<MatrixSource> sources)
        where TElement : struct, IElement
    {
        int first = 0;
        foreach (MatrixSource source in sources)
        {
            int rows = (int)source.Weight.Shape[0];
            int start = first;
            Parallel.For(0, rows, row => PackRow<TElement>(source.Weight, row, start + row));
            if (source.Bias is { } bias)
            {
                ElementConversion.ToFloat32(bias.Type, bias.Bytes(0, (int)bias.ByteLength), new Span<float>(_bias!.Floats + start, rows));
            }

            first += rows;
        }
    }

    private void PackRow<TElement>(Tensor weight, int row, int feature)
        where TElement : struct, IElement
    {
        float[] values = System.Buffers.ArrayPool<float>.Shared.Rent(InFeatures);
        int rowBytes = (int)(weight.ByteLength / weight.Shape[0]);
        ElementConversion.ToFloat32(weight.Type, weight.Bytes((long)row * rowBytes, rowBytes), values.AsSpan(0, InFeatures));
        byte* destination = Panel(feature / Width) + ((long)(feature % Width) * TElement.Size);
        for (int k = 0; k < InFeatures; k++)
        {
            TElement.Store(values[k], destination + ((long)k * Width * TElement.Size));
        }

        System.Buffers.ArrayPool<float>.Shared.Return(values);
    }
}

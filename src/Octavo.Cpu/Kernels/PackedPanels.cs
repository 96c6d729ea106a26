using Octavo.Cpu.Simd;

namespace Octavo.Cpu.Kernels;

/// <summary>How a weight matrix is stored for this processor.</summary>
public enum WeightFormat
{
    /// <summary>Four bytes a weight.</summary>
    Float32,

    /// <summary>Two bytes a weight; checkpoints in bfloat16 lose nothing.</summary>
    BFloat16,
}

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
        InFeatures = sources[0].Columns;
        OutFeatures = checked(sources.Sum(s => s.Rows));
        (Format, Count) = (format, (OutFeatures + Width - 1) / Width);
        (long weights, long bias) = BytesFor(OutFeatures, InFeatures, sources.Any(s => s.HasBias), format);
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
            int start = first;
            Parallel.For(0, source.Rows, row => PackRow<TElement>(source, row, start + row));
            if (source.HasBias)
            {
                source.ReadBias(new Span<float>(_bias!.Floats + start, source.Rows));
            }

            first += source.Rows;
        }
    }

    private void PackRow<TElement>(MatrixSource source, int row, int feature)
        where TElement : struct, IElement
    {
        float[] values = System.Buffers.ArrayPool<float>.Shared.Rent(InFeatures);
        source.ReadRow(row, values.AsSpan(0, InFeatures));
        byte* destination = Panel(feature / Width) + ((long)(feature % Width) * TElement.Size);
        for (int k = 0; k < InFeatures; k++)
        {
            TElement.Store(values[k], destination + ((long)k * Width * TElement.Size));
        }

        System.Buffers.ArrayPool<float>.Shared.Return(values);
    }
}

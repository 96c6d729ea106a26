using System.Buffers;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Simd;
using Octavo.Formats;

namespace Octavo.Cpu.Panels;

/// <summary>
/// A weight matrix in the order that kernels read it: panels of 32 output features (<see cref="PanelLayout"/>) one
/// behind another, read strictly forward. The last panel is filled up with features of scale or weight zero.
/// </summary>
/// <remarks>
/// Loops that run a few times only, each long: the runtime would not come to optimize them by itself.
/// </remarks>
internal sealed unsafe class PackedPanels : IDisposable
{
    /// <summary>Output features a panel.</summary>
    public const int Width = PanelLayout.Width;

    private readonly DisposableStack _owned = new();
    private readonly byte* _weights;
    private readonly float* _bias;
    private readonly int _codeBias;

    /// <summary>Packs a matrix, panels in parallel.</summary>
    /// <param name="source">The matrix.</param>
    /// <param name="scheme">How its weights are written.</param>
    /// <param name="codeBias">What integer codes stand above their value in the panel.</param>
    public PackedPanels(MatrixSource source, LinearScheme scheme, int codeBias)
        : this(source, scheme)
    {
        _codeBias = codeBias;
        try
        {
            NativeBuffer weights = _owned.Add(new NativeBuffer(PanelsBytes));
            HugePages.Advise(weights);
            _weights = weights.Pointer;
            if (source.HasBias)
            {
                _bias = _owned.Add(new NativeBuffer(BiasBytes)).Floats;
                source.ReadBias(new Span<float>(_bias, source.Rows));
            }

            Parallel.For(0, Count, panel => PackPanel(source, panel));
        }
        catch (Exception e)
        {
            Dispose();
            if (e is AggregateException { InnerException: { } first })
            {
                ExceptionDispatchInfo.Throw(first);     // what a thread found, as if there were one
            }

            throw;
        }
    }

    /// <summary>Takes panels as they lie in memory that somebody else owns.</summary>
    /// <param name="source">The matrix that they were packed from.</param>
    /// <param name="scheme">How its weights are written.</param>
    /// <param name="weights">The panels.</param>
    /// <param name="bias">The bias, where the matrix has one.</param>
    public PackedPanels(MatrixSource source, LinearScheme scheme, byte* weights, float* bias)
        : this(source, scheme)
    {
        _weights = weights;
        _bias = source.HasBias ? bias : null;
    }

    private PackedPanels(MatrixSource source, LinearScheme scheme)
    {
        OutFeatures = source.Rows;
        Layout = Takes(source, scheme)
            ? new PanelLayout(scheme, source.Columns, source.InputOrder, source.StaticInput)
            : new PanelLayout(scheme, source.Columns);
        Count = PanelLayout.PanelsOf(OutFeatures);
        (PanelsBytes, BiasBytes) = BytesFor(OutFeatures, source.Columns, source.HasBias, scheme);
    }

    public PanelLayout Layout { get; }

    public int OutFeatures { get; }

    /// <summary>Panels.</summary>
    public int Count { get; }

    /// <summary>Bytes that the panels occupy, padding included.</summary>
    public long PanelsBytes { get; }

    /// <summary>Bytes that the bias occupies, padding included; 0 where there is none.</summary>
    public long BiasBytes { get; }

    /// <summary>Bytes of a matrix's panels and of its bias, padding included; the packer takes as many.</summary>
    public static (long Panels, long Bias) BytesFor(long outFeatures, int inFeatures, bool bias, LinearScheme scheme)
    {
        long panels = PanelLayout.PanelsOf(outFeatures);
        return (panels * new PanelLayout(scheme, inFeatures).PanelBytes, bias ? panels * Width * sizeof(float) : 0);
    }

    public byte* Panel(int index) => _weights + (index * Layout.PanelBytes);

    /// <summary>The bias of a panel's features, or null.</summary>
    public float* Bias(int index) => _bias is null ? null : _bias + ((long)index * Width);

    public void Dispose() => _owned.Dispose();

    /// <summary>Whether a matrix's own codes are what the scheme wants.</summary>
    private static bool Takes(MatrixSource source, LinearScheme scheme) =>
        source.Stored is not null && source.Stored == scheme;

    private void PackPanel(MatrixSource source, int panel)
    {
        float[] row = ArrayPool<float>.Shared.Rent(Layout.InFeatures);
        sbyte[] codes = ArrayPool<sbyte>.Shared.Rent(Layout.InFeatures);
        float[] scales = ArrayPool<float>.Shared.Rent(Layout.Segments);
        int[] zeros = ArrayPool<int>.Shared.Rent(Layout.Segments);
        float[] minimums = ArrayPool<float>.Shared.Rent(Layout.Segments);
        Half[] units = ArrayPool<Half>.Shared.Rent(2 * Layout.Segments);
        bool stored = Takes(source, Layout.Scheme);
        int features = Math.Min(Width, OutFeatures - (panel * Width));
        for (int feature = 0; feature < features; feature++)
        {
            Span<sbyte> ofFeature = codes.AsSpan(0, Layout.InFeatures);
            if (stored)
            {
                var coded = new CodedRow(ofFeature, scales, zeros, minimums)
                {
                    ScaleUnits = units.AsSpan(0, Layout.Segments),
                    MinimumUnits = units.AsSpan(Layout.Segments, Layout.Segments),
                };
                source.ReadCodes((panel * Width) + feature, Layout.Scheme, coded);
                PackStored(Panel(panel), feature, coded);
            }
            else
            {
                Span<float> weights = row.AsSpan(0, Layout.InFeatures);
                source.ReadRow((panel * Width) + feature, weights);
                PackFeature(Panel(panel), feature, weights, ofFeature);
            }
        }

        ArrayPool<float>.Shared.Return(row);
        ArrayPool<sbyte>.Shared.Return(codes);
        ArrayPool<float>.Shared.Return(scales);
        ArrayPool<int>.Shared.Return(zeros);
        ArrayPool<float>.Shared.Return(minimums);
        ArrayPool<Half>.Shared.Return(units);
    }

    private void PackStored(byte* panel, int feature, CodedRow coded)
    {
        for (int segment = 0; segment < Layout.Segments; segment++)
        {
            ReadOnlySpan<sbyte> part = coded.Codes.Slice(segment * Layout.Segment, Layout.Segment);
            if (Layout.Scheme.Weight == WeightCode.Float8)
            {
                PackFloat8(panel, segment, feature, MemoryMarshal.Cast<sbyte, byte>(part), coded.Scales[segment]);
            }
            else
            {
                PackCodes(panel, segment, feature, part, coded.Scales[segment], coded.Zeros[segment]);
            }

            if (Layout.Scheme.Minimums)
            {
                PackScale(panel + Layout.MinimumsOffset(segment), feature, coded.Minimums[segment]);
            }

            if (Layout.HeaderBytes > 0 && segment % Layout.SegmentsOfHeader == 0)
            {
                Half* header = (Half*)(panel + Layout.HeaderOffset(segment));
                header[feature] = coded.ScaleUnits[segment / Layout.SegmentsOfHeader];
                if (Layout.Scheme.Minimums)
                {
                    header[Width + feature] = coded.MinimumUnits[segment / Layout.SegmentsOfHeader];
                }
            }
        }
    }

    private void PackFeature(byte* panel, int feature, ReadOnlySpan<float> weights, Span<sbyte> codes)
    {
        for (int segment = 0; segment < Layout.Segments; segment++)
        {
            ReadOnlySpan<float> part = weights.Slice(segment * Layout.Segment, Layout.Segment);
            Span<sbyte> rounded = codes[..part.Length];
            byte* steps = panel + Layout.StepsOffset(segment);
            switch (Layout.Scheme.Weight)
            {
                case WeightCode.Int8 or WeightCode.Int4:
                    int bits = Layout.Scheme.Weight == WeightCode.Int4 ? 4 : 8;
                    (float scale, int zero) = WeightQuantizer.Range(part, bits, Layout.Scheme.Asymmetric);
                    WeightQuantizer.Round(part, scale, zero, bits, rounded);
                    PackCodes(panel, segment, feature, rounded, scale, zero);
                    break;
                case WeightCode.Float8:
                    float scaleOfFloats = WeightQuantizer.RoundFloat8(part, MemoryMarshal.Cast<sbyte, byte>(rounded));
                    PackFloat8(panel, segment, feature, MemoryMarshal.Cast<sbyte, byte>(rounded), scaleOfFloats);
                    break;
                case WeightCode.Float32:
                    Scatter<Float32Element>(steps, feature, part);
                    break;
                case WeightCode.BFloat16:
                    Scatter<BFloat16Element>(steps, feature, part);
                    break;
                case WeightCode.Float16:
                    Scatter<Float16Element>(steps, feature, part);
                    break;
                default:
                    throw new UnreachableException($"{Layout.Scheme}");
            }
        }
    }

    /// <summary>A step holds feature by feature the step's inputs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Scatter<TElement>(byte* steps, int feature, ReadOnlySpan<float> weights)
        where TElement : struct, IElement
    {
        int depth = Layout.StepDepth;
        byte* destination = steps + (feature * depth * TElement.Size);
        int inStep = 0;
        foreach (float weight in weights)
        {
            TElement.Store(weight, destination + (inStep * TElement.Size));
            if (++inStep == depth)
            {
                inStep = 0;
                destination += Layout.StepBytes;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackFloat8(byte* panel, int segment, int feature, ReadOnlySpan<byte> numbers, float scale)
    {
        byte* steps = panel + Layout.StepsOffset(segment) + feature;
        bool numeric = true;
        for (int k = 0; k < numbers.Length; k++)
        {
            numeric &= (numbers[k] & WeightQuantizer.Float8NaN) != WeightQuantizer.Float8NaN;
            steps[(long)k * Layout.StepBytes] = numbers[k];
        }

        // Kernels shift the bits of a number into their place and would take what is none for 480.
        Scales(panel, segment)[feature] = numeric ? scale : float.NaN;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackCodes(byte* panel, int segment, int feature, ReadOnlySpan<sbyte> codes, float scale, int zero)
    {
        LinearScheme scheme = Layout.Scheme;
        PackScale(panel + Layout.ScalesOffset(segment), feature, scale);
        if (scheme.Asymmetric || !scheme.Grouped)
        {
            Zeros(panel, segment)[feature] = zero + _codeBias;
        }

        if (!scheme.Grouped)
        {
            int sum = 0;
            foreach (sbyte code in codes)
            {
                sum += code - zero;
            }

            ((int*)(panel + Layout.SumsOffset))[feature] = sum;
        }

        byte* steps = panel + Layout.StepsOffset(segment);
        switch (scheme.Weight)
        {
            case WeightCode.Int8:
                PackBytes(steps, feature, codes);
                break;
            case WeightCode.Int4 when scheme.Integer:
                // Features 0–15 in the low halves, 16–31 in the high halves of the same bytes.
                PackNibbles(steps + (feature % 16 * 4), feature / 16 * 4, codes);
                break;
            case WeightCode.Int6:
                PackSixBits(steps, feature, codes);
                break;
            case WeightCode.Int4:
                for (int k = 0; k < codes.Length; k++)
                {
                    steps[((long)k / 2 * Layout.StepBytes) + feature] |= (byte)((codes[k] + _codeBias) << (k % 2 * 4));
                }

                break;
            case WeightCode.Float32 or WeightCode.BFloat16 or WeightCode.Float16 or WeightCode.Float8:
            default:
                throw new UnreachableException($"{scheme}");
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackBytes(byte* steps, int feature, ReadOnlySpan<sbyte> codes)
    {
        int depth = Layout.StepDepth;
        int k = 0;
        if (depth == sizeof(uint))
        {
            // Four codes at a time; adding 128 to a byte turns its highest bit.
            uint bias = _codeBias == 0 ? 0 : 0x8080_8080;
            foreach (uint four in MemoryMarshal.Cast<sbyte, uint>(codes))
            {
                *(uint*)(steps + ((long)k / depth * Layout.StepBytes) + (feature * depth)) = four ^ bias;
                k += depth;
            }
        }

        for (; k < codes.Length; k++)
        {
            steps[((long)k / depth * Layout.StepBytes) + (feature * depth) + (k % depth)] =
                (byte)(codes[k] + _codeBias);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackNibbles(byte* steps, int shift, ReadOnlySpan<sbyte> codes)
    {
        // A signed nibble plus 8 is the same four bits with the highest turned.
        uint bias = _codeBias == 0 ? 0u : 0x0808_0808u;
        int k = 0;
        foreach (uint four in MemoryMarshal.Cast<sbyte, uint>(codes))
        {
            *(uint*)(steps + ((long)k / 4 * Layout.StepBytes)) |= ((four & 0x0F0F_0F0F) ^ bias) << shift;
            k += 4;
        }

        for (; k < codes.Length; k++)
        {
            steps[((long)k / 4 * Layout.StepBytes) + (k % 4)] |= (byte)((codes[k] + _codeBias) << shift);
        }
    }

    /// <summary>Sixteen inputs a step: four lower bits as 4-bit codes have them, two higher bits behind.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void PackSixBits(byte* steps, int feature, ReadOnlySpan<sbyte> codes)
    {
        const int Fours = 4, BytesOfFour = 64;
        for (int k = 0; k < codes.Length; k++)
        {
            int code = codes[k] + _codeBias, four = k / 4 % Fours, inFour = k % 4;
            byte* step = steps + ((long)k / Layout.StepDepth * Layout.StepBytes);
            int place = (feature % 16 * 4) + inFour;
            step[(four * BytesOfFour) + place] |= (byte)((code & 0x0F) << (feature / 16 * 4));
            step[((Fours + (feature / 16)) * BytesOfFour) + place] |= (byte)((code >> 4) << (2 * four));
        }
    }

    private void PackScale(byte* row, int feature, float scale)
    {
        switch (Layout.Scheme.Scales)
        {
            case ScaleCode.Float32:
                ((float*)row)[feature] = scale;
                break;
            case ScaleCode.Float16:
                ((Half*)row)[feature] = (Half)scale;
                break;
            case ScaleCode.Products:
                ((sbyte*)row)[feature] = (sbyte)scale;
                break;
            default:
                throw new UnreachableException($"{Layout.Scheme}");
        }
    }

    private float* Scales(byte* panel, int segment) => (float*)(panel + Layout.ScalesOffset(segment));

    private int* Zeros(byte* panel, int segment) => (int*)(panel + Layout.ZerosOffset(segment));
}

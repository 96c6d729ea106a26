using System.Buffers;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Octavo.Cpu.Memory;
using Octavo.Cpu.Panels;
using Octavo.Cpu.Simd;

namespace Octavo.Cpu.Linears;

/// <summary>
/// Rows of activations as a linear layer's kernels read them: float32, bfloat16, or codes of eight bits with a scale
/// for each group. One buffer serves the layers one after another.
/// </summary>
/// <remarks>
/// Codes: <c>scale = largest magnitude / 127</c>, <c>code = round_half_even(x · (127 / largest magnitude))</c>; with
/// zero-points (one scale a row only), <c>scale = range / 255</c> and <c>code = round(x / scale) + zero</c>; or with
/// the checkpoint's scale and zero-point (<see cref="PanelLayout.StaticInput"/>), cut off where codes end.
/// A segment (group) begins at a whole step; what fills it up is zero. Scales stand by segment, then by row.
/// </remarks>
internal sealed unsafe class ActivationBuffer : IDisposable
{
    private readonly DisposableStack _owned = new();
    private readonly NativeBuffer _rows;
    private readonly NativeBuffer _scales;
    private readonly NativeBuffer _sums;
    private readonly NativeBuffer _zeros;
    private readonly int _maxRows;
    private readonly long _stride;      // bytes of the longest row
    private readonly int _segments;

    /// <summary>Reserves memory for so many rows of any of these layers' inputs.</summary>
    public ActivationBuffer(int maxRows, IEnumerable<PanelLayout> layouts)
    {
        (_maxRows, _segments) = (maxRows, 1);
        foreach (PanelLayout layout in layouts)
        {
            _stride = Math.Max(_stride, layout.InputStride);
            _segments = Math.Max(_segments, layout.Segments);
        }

        try
        {
            _rows = _owned.Add(new NativeBuffer(maxRows * _stride));
            _scales = _owned.Add(NativeBuffer.OfFloats((long)maxRows * _segments));
            _sums = _owned.Add(NativeBuffer.OfFloats((long)maxRows * _segments));
            _zeros = _owned.Add(NativeBuffer.OfFloats(maxRows));
        }
        catch
        {
            _owned.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Floats (or sums) between two groups: the rows of the present step, so that those of a small one stand together.
    /// </summary>
    public int ScaleStride { get; private set; }

    /// <summary>Scales, <c>[segments][ScaleStride]</c>.</summary>
    public float* Scales => _scales.Floats;

    /// <summary>
    /// Sums of codes, negated, <c>[segments][ScaleStride]</c>; for weights with minimums those of what the codes stand
    /// for, float32.
    /// </summary>
    public int* NegatedSums => (int*)_sums.Pointer;

    /// <summary>Zero-points by row, where the scheme has them.</summary>
    public int* Zeros => (int*)_zeros.Pointer;

    /// <summary>Whether it has room for rows of a layer's input.</summary>
    public bool Holds(PanelLayout layout) => layout.InputStride <= _stride && layout.Segments <= _segments;

    /// <summary>Sets how many rows the step has at most; before the team starts.</summary>
    public void Begin(int rows)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, _maxRows);
        ScaleStride = rows;
    }

    /// <summary>A row as a layer reads it.</summary>
    public byte* Row(PanelLayout layout, int row) => _rows.Pointer + (row * layout.InputStride);

    /// <summary>Writes a row for a layer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Store(PanelLayout layout, int row, float* x)
    {
        if (layout.InputOrder is { } order)
        {
            StoreInOrder(layout, row, x, order);
            return;
        }

        StoreAsItIs(layout, row, x);
    }

    /// <summary>Gathers a row in the order of the panel's inputs first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void StoreInOrder(PanelLayout layout, int row, float* x, int[] order)
    {
        float[] gathered = ArrayPool<float>.Shared.Rent(order.Length);
        for (int k = 0; k < order.Length; k++)
        {
            gathered[k] = x[order[k]];
        }

        fixed (float* ordered = gathered)
        {
            StoreAsItIs(layout, row, ordered);
        }

        ArrayPool<float>.Shared.Return(gathered);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void StoreAsItIs(PanelLayout layout, int row, float* x)
    {
        byte* destination = Row(layout, row);
        int size = PanelLayout.InputSize(layout.Scheme.Input);
        int padded = layout.StepsPerSegment * layout.StepDepth;
        for (int segment = 0; segment < layout.Segments; segment++)
        {
            float* values = x + ((long)segment * layout.Segment);
            byte* part = destination + ((long)segment * padded * size);
            switch (layout.Scheme.Input)
            {
                case InputCode.Int8:
                    StoreCodes(layout, row, segment, values, (sbyte*)part);
                    break;
                case InputCode.BFloat16:
                    StoreBFloat16(values, layout.Segment, (ushort*)part);
                    break;
                case InputCode.Float32:
                    new ReadOnlySpan<float>(values, layout.Segment).CopyTo(new Span<float>(part, layout.Segment));
                    if (layout.Scheme.Minimums)
                    {
                        NegatedSums[((long)segment * ScaleStride) + row] =
                            BitConverter.SingleToInt32Bits(-Sum(values, layout.Segment));
                    }

                    break;
                default:
                    throw new UnreachableException($"{layout.Scheme}");
            }

            new Span<byte>(part + (layout.Segment * size), (padded - layout.Segment) * size).Clear();
        }
    }

    public void Dispose() => _owned.Dispose();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum(float* x, int count)
    {
        Vector128<float> sums = default;
        int i = 0;
        for (; i <= count - Vector128<float>.Count; i += Vector128<float>.Count)
        {
            sums += Vector128.Load(x + i);
        }

        float sum = sums[0] + sums[1] + (sums[2] + sums[3]);
        for (; i < count; i++)
        {
            sum += x[i];
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StoreBFloat16(float* x, int count, ushort* destination)
    {
        int i = 0;
        for (; i <= count - 32; i += 32)
        {
            Vector512.Narrow(Rounded(x + i), Rounded(x + i + 16)).Store(destination + i);
        }

        for (; i < count; i++)
        {
            destination[i] = BFloat16Element.Round(x[i]);
        }

        // As BFloat16Element.Round does; a NaN keeps its upper half, made quiet.
        static Vector512<uint> Rounded(float* x)
        {
            Vector512<float> value = Vector512.Load(x);
            Vector512<uint> bits = value.AsUInt32();
            Vector512<uint> nearest = (bits + Vector512.Create(0x7FFFu) + ((bits >> 16) & Vector512<uint>.One)) >> 16;
            Vector512<uint> quiet = (bits >> 16) | Vector512.Create(0x40u);
            return Vector512.ConditionalSelect(Vector512.Equals(value, value).AsUInt32(), nearest, quiet);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void StoreCodes(PanelLayout layout, int row, int segment, float* x, sbyte* codes)
    {
        int count = layout.Segment;
        (float factor, float scale, int zero) = layout.StaticInput is { } known ? StaticRange(x, count, known)
            : layout.Scheme.AsymmetricInput ? AsymmetricRange(x, count)
            : SymmetricRange(x, count);
        // −128 has no negative of eight bits, so that kernels without zero-points of activations do not take it
        // everywhere.
        float least = (layout.Scheme.AsymmetricInput ? -128f : -127f) - zero;
        var lowest = Vector512.Create(least);
        var highest = Vector512.Create(127f - zero);
        Vector512<int> sums = default;
        var factors = Vector512.Create(factor);
        var offset = Vector512.Create(zero);
        int i = 0;
        for (; i <= count - 64; i += 64)
        {
            Vector512<int> a = Code(x + i, factors, lowest, highest, offset),
                b = Code(x + i + 16, factors, lowest, highest, offset);
            Vector512<int> c = Code(x + i + 32, factors, lowest, highest, offset),
                d = Code(x + i + 48, factors, lowest, highest, offset);
            sums += a + b + (c + d);
            Vector512.Narrow(Vector512.Narrow(a, b), Vector512.Narrow(c, d)).Store(codes + i);
        }

        for (; i <= count - 16; i += 16)
        {
            Vector512<int> a = Code(x + i, factors, lowest, highest, offset);
            sums += a;
            Vector256<short> halves = Vector256.Narrow(a.GetLower(), a.GetUpper());
            Vector128.Narrow(halves.GetLower(), halves.GetUpper()).Store(codes + i);
        }

        int sum = Vector512.Sum(sums);
        for (; i < count; i++)
        {
            codes[i] = (sbyte)(Math.Clamp(MathF.Round(x[i] * factor), least, 127f - zero) + zero);
            sum += codes[i];
        }

        long at = ((long)segment * ScaleStride) + row;
        Scales[at] = scale;
        NegatedSums[at] = layout.Scheme.Minimums ? BitConverter.SingleToInt32Bits(scale * -sum) : -sum;
        Zeros[row] = zero;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Code(
        float* x, Vector512<float> factors, Vector512<float> lowest, Vector512<float> highest, Vector512<int> offset)
    {
        // Cut off before the conversion: a stored scale may be far too small for a number.
        Vector512<float> steps = Vector512.MinNative(Vector512.MaxNative(Vector512.Load(x) * factors, lowest), highest);
        return Vector512.ConvertToInt32Native(Vector512.Round(steps, MidpointRounding.ToEven)) + offset;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (float Factor, float Scale, int Zero) SymmetricRange(float* x, int count)
    {
        Vector512<float> largest = default;
        int i = 0;
        for (; i <= count - 16; i += 16)
        {
            largest = Vector512.Max(largest, Vector512.Abs(Vector512.Load(x + i)));
        }

        Vector256<float> half = Vector256.Max(largest.GetLower(), largest.GetUpper());
        Vector128<float> quarter = Vector128.Max(half.GetLower(), half.GetUpper());
        float most = Math.Max(Math.Max(quarter[0], quarter[1]), Math.Max(quarter[2], quarter[3]));
        for (; i < count; i++)
        {
            most = Math.Max(most, Math.Abs(x[i]));
        }

        // A row that holds a NaN gets a scale that is one.
        return (most > 0 ? 127f / most : 0, most / 127f, 0);
    }

    /// <summary>A stored range; a row that holds a number that is none gets a scale that is none.</summary>
    private static (float Factor, float Scale, int Zero) StaticRange(float* x, int count, InputRange range)
    {
        (_, float largest, _) = SymmetricRange(x, count);
        return (1 / range.Scale, float.IsFinite(largest) ? range.Scale : float.NaN, range.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (float Factor, float Scale, int Zero) AsymmetricRange(float* x, int count)
    {
        (float min, float max) = (0f, 0f);
        for (int i = 0; i < count; i++)
        {
            (min, max) = (Math.Min(min, x[i]), Math.Max(max, x[i]));
        }

        float scale = (max - min) / 255f;
        return scale > 0
            ? (1 / scale, scale, (int)Math.Clamp(MathF.Round(-128 - (min / scale)), -128, 127))
            : (0, scale, 0);
    }
}

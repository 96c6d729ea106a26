using System.Runtime.CompilerServices;
using Octavo.Cpu.Simd;

namespace Octavo.Cpu.Kernels;

/// <summary>
/// Multiplies rows of activations with one packed panel: <c>y[r, c] = bias[c] + Σₖ x[r, k] · w[k, c]</c>.
/// </summary>
/// <remarks>
/// Every sum runs over k from 0 upwards in one fused accumulator, whatever the instruction set and however many rows
/// share the tile, so a row's result depends on the row alone.
/// <code>
///            c: one vector   one vector
/// row 0   [ accumulator ][ accumulator ]     k ↓ : two loads of w, one broadcast of x a row
/// row 1   [ accumulator ][ accumulator ]
/// row 2   [ accumulator ][ accumulator ]
/// row 3   [ accumulator ][ accumulator ]
/// </code>
/// </remarks>
internal unsafe interface IPanelKernel
{
    /// <summary>Computes all columns of one panel for so many rows.</summary>
    /// <param name="panel">Weights, <c>[inFeatures][PackedPanels.Width]</c>.</param>
    /// <param name="bias">Bias of the panel's columns, or null.</param>
    /// <param name="inFeatures">Length of the sums.</param>
    /// <param name="x">Activations, <c>[rows][strideX]</c>.</param>
    /// <param name="strideX">Floats between two rows of x.</param>
    /// <param name="rows">Rows to multiply.</param>
    /// <param name="y">Results, <c>[rows][strideY]</c>; the panel's full width is written.</param>
    /// <param name="strideY">Floats between two rows of y.</param>
    static abstract void Multiply(
        byte* panel, float* bias, int inFeatures, float* x, int strideX, int rows, float* y, int strideY);
}

/// <inheritdoc cref="IPanelKernel"/>
internal readonly unsafe struct PanelKernel<TVector, TSimd, TElement> : IPanelKernel
    where TVector : struct
    where TSimd : struct, ISimd<TVector>
    where TElement : struct, IElement
{
    public static void Multiply(
        byte* panel, float* bias, int inFeatures, float* x, int strideX, int rows, float* y, int strideY)
    {
        for (int column = 0; column < PackedPanels.Width; column += 2 * TSimd.Count)
        {
            byte* w = panel + ((long)column * TElement.Size);
            float* b = bias == null ? null : bias + column;
            int row = 0;
            for (; row <= rows - 4; row += 4)
            {
                FourRows(w, b, inFeatures, x + ((long)row * strideX), strideX, y + ((long)row * strideY) + column, strideY);
            }

            for (; row < rows; row++)
            {
                OneRow(w, b, inFeatures, x + ((long)row * strideX), y + ((long)row * strideY) + column);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourRows(byte* w, float* bias, int inFeatures, float* x, int strideX, float* y, int strideY)
    {
        TVector a00 = default, a01 = default, a10 = default, a11 = default;
        TVector a20 = default, a21 = default, a30 = default, a31 = default;
        float* x0 = x;
        float* x1 = x + strideX;
        float* x2 = x1 + strideX;
        float* x3 = x2 + strideX;
        for (int k = 0; k < inFeatures; k++)
        {
            TVector w0 = TElement.Load<TVector, TSimd>(w);
            TVector w1 = TElement.Load<TVector, TSimd>(w + (TSimd.Count * TElement.Size));
            TVector broadcast = TSimd.Broadcast(x0[k]);
            a00 = TSimd.MultiplyAdd(broadcast, w0, a00);
            a01 = TSimd.MultiplyAdd(broadcast, w1, a01);
            broadcast = TSimd.Broadcast(x1[k]);
            a10 = TSimd.MultiplyAdd(broadcast, w0, a10);
            a11 = TSimd.MultiplyAdd(broadcast, w1, a11);
            broadcast = TSimd.Broadcast(x2[k]);
            a20 = TSimd.MultiplyAdd(broadcast, w0, a20);
            a21 = TSimd.MultiplyAdd(broadcast, w1, a21);
            broadcast = TSimd.Broadcast(x3[k]);
            a30 = TSimd.MultiplyAdd(broadcast, w0, a30);
            a31 = TSimd.MultiplyAdd(broadcast, w1, a31);
            w += PackedPanels.Width * TElement.Size;
        }

        Store(a00, a01, bias, y);
        Store(a10, a11, bias, y + strideY);
        Store(a20, a21, bias, y + (2L * strideY));
        Store(a30, a31, bias, y + (3L * strideY));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneRow(byte* w, float* bias, int inFeatures, float* x, float* y)
    {
        TVector a0 = default, a1 = default;
        for (int k = 0; k < inFeatures; k++)
        {
            TVector broadcast = TSimd.Broadcast(x[k]);
            a0 = TSimd.MultiplyAdd(broadcast, TElement.Load<TVector, TSimd>(w), a0);
            a1 = TSimd.MultiplyAdd(broadcast, TElement.Load<TVector, TSimd>(w + (TSimd.Count * TElement.Size)), a1);
            w += PackedPanels.Width * TElement.Size;
        }

        Store(a0, a1, bias, y);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(TVector low, TVector high, float* bias, float* y)
    {
        if (bias != null)
        {
            low = TSimd.Add(low, TSimd.Load(bias));
            high = TSimd.Add(high, TSimd.Load(bias + TSimd.Count));
        }

        TSimd.Store(low, y);
        TSimd.Store(high, y + TSimd.Count);
    }
}

using System.Numerics;
using Octavo.Formats;
using Octavo.Quantization.Workbench;

namespace Octavo.Quantization.Methods;

/// <summary>
/// GPTQ (arXiv 2210.17323): columns are rounded one after another, and what each rounding did to the layer's output is
/// made good by the columns that are still to come, as the inputs' second moments say.
/// </summary>
/// <param name="Damping">Added to the moments' diagonal, as a fraction of its mean.</param>
/// <param name="ActivationOrder">Columns of the strongest inputs first; groups keep their places, so that no index of
/// groups is needed.</param>
/// <param name="BlockSize">Columns that are made good within before the rest of the row hears of them.</param>
public sealed record Gptq(double Damping = 0.01, bool ActivationOrder = true, int BlockSize = 128)
{
    /// <summary>Quantizes a matrix.</summary>
    /// <param name="matrix">The matrix.</param>
    /// <param name="moments">The inputs' second moments.</param>
    /// <param name="scheme">How.</param>
    /// <param name="observer">Chooses the scales.</param>
    internal CodedMatrix Quantize(FloatMatrix matrix, InputMoments moments, WeightScheme scheme, Observer observer)
    {
        int n = matrix.Columns;
        int[] order = Order(moments);
        float[] factor = moments.FactorFor(this, () => InverseFactor(moments, order));
        var coded = CodedMatrix.For(matrix, scheme);
        const int RowsAtOnce = 8;
        Parallel.For(0, (matrix.Rows + RowsAtOnce - 1) / RowsAtOnce, batch =>
        {
            for (int row = batch * RowsAtOnce; row < Math.Min(matrix.Rows, (batch + 1) * RowsAtOnce); row++)
            {
                QuantizeRow(matrix, row, order, factor, moments, coded, observer, n);
            }
        });
        return coded;
    }

    private void QuantizeRow(
        FloatMatrix matrix, int row, int[] order, float[] factor, InputMoments moments, CodedMatrix coded,
        Observer observer, int n)
    {
        ReadOnlySpan<float> original = matrix.Row(row);
        Span<float> scales = coded.Scales.AsSpan(row * coded.Groups, coded.Groups);
        Span<int> zeros = coded.Zeros.AsSpan(row * coded.Groups, coded.Groups);
        float[] w = new float[n];
        for (int i = 0; i < n; i++)
        {
            w[i] = moments.IsDead(order[i]) ? 0 : original[order[i]];
        }

        if (ActivationOrder)
        {
            for (int g = 0; g < coded.Groups; g++)
            {
                (scales[g], zeros[g]) = observer.Choose(
                    original.Slice(g * coded.GroupSize, coded.GroupSize), coded.Scheme, coded.ScaleType);
            }
        }

        float[] errors = new float[BlockSize];
        for (int begin = 0; begin < n; begin += BlockSize)
        {
            int end = Math.Min(begin + BlockSize, n);
            for (int i = begin; i < end; i++)
            {
                int group = order[i] / coded.GroupSize;
                if (!ActivationOrder && i % coded.GroupSize == 0)
                {
                    // As the columns before it have left them; those behind the block are still to hear of this one.
                    ReadOnlySpan<float> now = w.AsSpan(i, coded.GroupSize);
                    (scales[group], zeros[group]) = observer.Choose(now, coded.Scheme, coded.ScaleType);
                }

                sbyte code = RoundToNearest.Code(w[i], scales[group], zeros[group], coded.Scheme);
                coded.Codes[((long)row * n) + order[i]] = code;
                float error = (w[i] - RoundToNearest.Value(code, scales[group], zeros[group], coded.Scheme))
                    / factor[((long)i * n) + i];
                errors[i - begin] = error;
                SubtractScaled(factor.AsSpan((i * n) + i + 1, end - i - 1), error, w.AsSpan(i + 1));
            }

            for (int i = begin; i < end && end < n; i++)
            {
                SubtractScaled(factor.AsSpan((i * n) + end, n - end), errors[i - begin], w.AsSpan(end));
            }
        }
    }

    private int[] Order(InputMoments moments)
    {
        int[] order = [.. Enumerable.Range(0, moments.Width)];
        return ActivationOrder ? [.. order.OrderByDescending(k => moments.Of(k, k))] : order;
    }

    /// <summary>
    /// The upper factor U of the damped moments' inverse, <c>H⁻¹ = Uᵀ U</c>. Of the moments in reverse order,
    /// <c>H = R Rᵀ</c> with R upper triangular, and then <c>U = R⁻¹</c>: one factorization, one inversion of a
    /// triangle.
    /// </summary>
    private float[] InverseFactor(InputMoments moments, int[] order)
    {
        int n = order.Length;
        double mean = 0;
        for (int k = 0; k < n; k++)
        {
            mean += moments.Of(k, k) / n;
        }

        // More damping where rounding has left the moments without a factor.
        for (double damping = Damping; damping < 1e3; damping = Math.Max(damping * 10, 1e-6))
        {
            double[] lower = new double[(long)n * n];
            for (int i = 0; i < n; i++)
            {
                int a = order[n - 1 - i];
                for (int j = 0; j <= i; j++)
                {
                    double h = moments.Of(a, order[n - 1 - j]);
                    lower[((long)i * n) + j] = i != j ? h : (moments.IsDead(a) ? 1 : h) + (damping * mean);
                }
            }

            if (Cholesky.Factor(lower, n))
            {
                Cholesky.InvertLower(lower, n);
                float[] upper = new float[(long)n * n];
                for (int i = 0; i < n; i++)
                {
                    for (int j = i; j < n; j++)
                    {
                        // Turned over again: R⁻¹[i, j] = L⁻¹[n−1−i, n−1−j], whose row is never before its column.
                        upper[((long)i * n) + j] = (float)lower[((long)(n - 1 - i) * n) + (n - 1 - j)];
                    }
                }

                return upper;
            }
        }

        throw new QuantizationException(
            "the inputs' second moments have no factor: the calibration text gives numbers that are not finite");
    }

    private static void SubtractScaled(ReadOnlySpan<float> x, float factor, Span<float> y)
    {
        int i = 0;
        var factors = new Vector<float>(factor);
        for (; i <= x.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            (new Vector<float>(y[i..]) - (new Vector<float>(x[i..]) * factors)).CopyTo(y[i..]);
        }

        for (; i < x.Length; i++)
        {
            y[i] -= x[i] * factor;
        }
    }
}

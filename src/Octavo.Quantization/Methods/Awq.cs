using System.Numerics;
using System.Runtime.CompilerServices;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Quantization.Workbench;

namespace Octavo.Quantization.Methods;

/// <summary>
/// AWQ (arXiv 2306.00978): of scales between none and the inputs' own strength, those at which rounding costs the
/// layer's output least, folded into what stands before; then, group by group, the range that costs least.
/// </summary>
/// <param name="Steps">Scales that are tried.</param>
/// <param name="Clip">Whether ranges are searched, too; of queries and keys they never are.</param>
public sealed record Awq(int Steps = 20, bool Clip = true)
{
    // A scale is a matter of columns: more rows than these hardly move it.
    private const int MostRows = 512;

    // Pairs of inputs further apart than this are taken as unrelated. Errors of rounding nearly are, and with blocks a
    // step costs as much for each weight in a wide layer as in a narrow one.
    private const int MostProducts = 128;

    // Every so many of the scales are tried first; a power of two.
    private const int Stride = 4;

    // What of a group's range is tried while scales are compared.
    private static ReadOnlySpan<float> Ranges => [1, 0.9f, 0.8f, 0.7f];

    /// <summary>
    /// How many neighbouring inputs' products it needs: the largest divisor of their number within reason.
    /// </summary>
    internal static int ProductBlock(int width)
    {
        int block = Math.Min(width, MostProducts);
        while (width % block != 0)
        {
            block--;
        }

        return block;
    }

    /// <summary>Folds the best scales into a part of a layer.</summary>
    internal void Scale(
        PartUnderWork part, IReadOnlyDictionary<string, InputMoments> moments, Func<LinearRole, WeightScheme?> schemeOf)
    {
        foreach (Smoothing.Fold fold in Smoothing.FoldsOf(part))
        {
            InputMoments inputs = moments[fold.Linear.Spec.Name];
            if (schemeOf(fold.Linear.Spec.Role) is { } scheme
                && Search(fold.Linear.Matrices, inputs, scheme, fold.SharedRow) is { } s)
            {
                fold.Apply(inputs, s);
            }
        }
    }

    /// <summary>Rounds a matrix to nearest, in the ranges that cost its output least.</summary>
    internal CodedMatrix Quantize(FloatMatrix matrix, InputMoments moments, WeightScheme scheme, Observer observer)
    {
        if (!Clip || matrix.Spec.Role is MatrixRole.Query or MatrixRole.Key)
        {
            return RoundToNearest.Quantize(matrix, scheme, observer);
        }

        int group = scheme.GroupOf(matrix.Columns);
        _ = moments.Means();
        return RoundToNearest.Quantize(
            matrix, scheme, observer, (row, g) => BestRange(
                matrix.Row(row).Slice(g * group, group), g * group, moments, scheme, matrix.StoredType));
    }

    /// <summary>Of ranges shrunk step by step, the one that costs a group's output least.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (float Scale, int Zero) BestRange(
        ReadOnlySpan<float> weights, int first, InputMoments moments, WeightScheme scheme, TensorType stored)
    {
        const int AtOnce = InputMoments.AtOnce;
        (float min, float max) = Observer.Extremes(weights);
        float[] errors = new float[AtOnce * weights.Length];
        Span<(float Scale, int Zero)> tried = stackalloc (float, int)[AtOnce];
        Span<double> costs = stackalloc double[AtOnce];
        (float Scale, int Zero) best = default;
        double least = double.PositiveInfinity;
        for (int shrinks = 0; shrinks < Observer.Shrinks; shrinks += AtOnce)
        {
            for (int i = 0; i < AtOnce; i++)
            {
                tried[i] = Observer.Shrunk(min, max, shrinks + i, scheme, stored);
                RoundToNearest.Errors(
                    weights, tried[i].Scale, tried[i].Zero, scheme, errors.AsSpan(i * weights.Length, weights.Length));
            }

            moments.MeanSquares(first, errors, costs);
            bool hopeless = true;
            for (int i = 0; i < AtOnce; i++)
            {
                hopeless &= costs[i] > Observer.Hopeless * least;
                if (costs[i] < least || shrinks + i == 0)
                {
                    (least, best) = (costs[i], tried[i]);
                }
            }

            if (hopeless)
            {
                break;
            }
        }

        return best;
    }

    /// <summary>The best numbers to multiply columns with, or null where none are better than ones.</summary>
    private float[]? Search(FloatMatrix[] stack, InputMoments moments, WeightScheme scheme, Func<int, int>? shared)
    {
        float[] ones = new float[moments.Width];
        ones.AsSpan().Fill(1);
        _ = moments.Means();
        (double Loss, int Step, bool Both, float[]? Scales) best = (Loss(stack, moments, scheme, ones), 0, false, null);
        double[] weights = MeanOfColumns(stack, scheme);
        int stride = Math.Min(Stride, Steps);
        for (int step = stride; step <= Steps; step += stride)
        {
            Try(step, both: false);
            Try(step, both: true);
        }

        // The loss is smooth in the exponent: the best of all stands beside the best of a few.
        while (best.Scales is not null && stride > 1)
        {
            stride /= 2;
            (int middle, bool both) = (best.Step, best.Both);
            Try(middle - stride, both);
            Try(middle + stride, both);
        }

        return best.Scales;

        void Try(int step, bool both)
        {
            if (step < 1 || step > Steps)
            {
                return;
            }

            float[] s = Candidate(moments, weights, (double)step / Steps, both, shared);
            double loss = Loss(stack, moments, scheme, s);
            if (loss < best.Loss)
            {
                best = (loss, step, both, s);
            }
        }
    }

    /// <summary><c>s = X^α</c>, or <c>X^α / W^(1−α)</c>, its largest and smallest as far above as below one.</summary>
    private static float[] Candidate(
        InputMoments moments, double[] weights, double ratio, bool both, Func<int, int>? shared)
    {
        double[] s = new double[moments.Width];
        for (int k = 0; k < s.Length; k++)
        {
            double x = Math.Max(moments.MeanMagnitude(k), 1e-8);
            s[k] = Math.Max(
                both ? Math.Pow(x, ratio) / Math.Pow(weights[k] + 1e-4, 1 - ratio) : Math.Pow(x, ratio), 1e-4);
        }

        if (shared is not null)
        {
            Dictionary<int, double> means = Enumerable.Range(0, s.Length)
                .GroupBy(shared)
                .ToDictionary(g => g.Key, g => Math.Exp(g.Average(k => Math.Log(s[k]))));
            s = [.. Enumerable.Range(0, s.Length).Select(k => means[shared(k)])];
        }

        double middle = Math.Sqrt(s.Max() * s.Min());
        return [.. s.Select(v => (float)(v / middle))];
    }

    /// <summary>The mean over rows of a column's magnitude, as a fraction of its group's largest.</summary>
    private static double[] MeanOfColumns(FloatMatrix[] stack, WeightScheme scheme)
    {
        double[] sums = new double[stack[0].Columns];
        int group = scheme.GroupOf(sums.Length);
        foreach (FloatMatrix matrix in stack)
        {
            for (int row = 0; row < matrix.Rows; row++)
            {
                ReadOnlySpan<float> weights = matrix.Row(row);
                for (int first = 0; first < weights.Length; first += group)
                {
                    float largest = 1e-12f;
                    foreach (float w in weights.Slice(first, group))
                    {
                        largest = Math.Max(largest, Math.Abs(w));
                    }

                    for (int k = first; k < first + group; k++)
                    {
                        sums[k] += Math.Abs(weights[k]) / largest;
                    }
                }
            }
        }

        int rows = stack.Sum(m => m.Rows);
        return [.. sums.Select(s => s / rows)];
    }

    /// <summary>
    /// The mean square that rounding adds to the stack's outputs where its columns are multiplied with
    /// <paramref name="s"/> first.
    /// </summary>
    private static double Loss(FloatMatrix[] stack, InputMoments moments, WeightScheme scheme, float[] s)
    {
        const int AtOnce = InputMoments.AtOnce;
        double total = 0;
        foreach (FloatMatrix matrix in stack)
        {
            int stride = Math.Max(1, matrix.Rows / MostRows);
            int rows = matrix.Rows / stride;
            double[] losses = new double[(rows + AtOnce - 1) / AtOnce];
            Parallel.For(0, losses.Length, i =>
            {
                float[] errors = new float[AtOnce * matrix.Columns];
                for (int row = i * AtOnce; row < Math.Min((i + 1) * AtOnce, rows); row++)
                {
                    ScaledErrors(
                        matrix, row * stride, s, scheme, errors.AsSpan(row % AtOnce * matrix.Columns, matrix.Columns));
                }

                Span<double> squares = stackalloc double[AtOnce];
                moments.MeanSquares(0, errors, squares);
                losses[i] = squares[0] + squares[1] + squares[2] + squares[3];
            });
            total += losses.Sum();
        }

        return total;
    }

    /// <summary>
    /// What rounding adds to the weights of a row where its columns are multiplied with <paramref name="s"/> first. A
    /// group's range is one of a few: the search for the best one, which comes afterwards, would cost more than all the
    /// rest.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ScaledErrors(FloatMatrix matrix, int row, float[] s, WeightScheme scheme, Span<float> errors)
    {
        int group = scheme.GroupOf(matrix.Columns);
        float[] scaled = new float[group], tried = new float[group];
        for (int first = 0; first < errors.Length; first += group)
        {
            Span<float> ofGroup = errors.Slice(first, group);
            ReadOnlySpan<float> factors = s.AsSpan(first, group);
            (float min, float max) = Multiply(matrix.Row(row).Slice(first, group), factors, scaled);
            double least = double.MaxValue;
            foreach (float part in Ranges)
            {
                (float scale, int zero) = Observer.Range(min * part, max * part, scheme, matrix.StoredType);
                RoundToNearest.Errors(scaled, scale, zero, scheme, tried);
                double error = SumOfSquares(tried);
                if (error < least)
                {
                    least = error;
                    tried.CopyTo(ofGroup);
                }
            }

            Divide(ofGroup, factors);
        }
    }

    private static (float Min, float Max) Multiply(
        ReadOnlySpan<float> weights, ReadOnlySpan<float> factors, Span<float> products)
    {
        Vector<float> least = default, most = default;
        int k = 0;
        for (; k <= products.Length - Vector<float>.Count; k += Vector<float>.Count)
        {
            Vector<float> product = new Vector<float>(weights[k..]) * new Vector<float>(factors[k..]);
            product.CopyTo(products[k..]);
            (least, most) = (Vector.Min(least, product), Vector.Max(most, product));
        }

        (float min, float max) = (0, 0);
        for (int lane = 0; lane < Vector<float>.Count; lane++)
        {
            (min, max) = (Math.Min(min, least[lane]), Math.Max(max, most[lane]));
        }

        for (; k < products.Length; k++)
        {
            products[k] = weights[k] * factors[k];
            (min, max) = (Math.Min(min, products[k]), Math.Max(max, products[k]));
        }

        return (min, max);
    }

    private static double SumOfSquares(ReadOnlySpan<float> values)
    {
        Vector<float> lanes = default;
        int k = 0;
        for (; k <= values.Length - Vector<float>.Count; k += Vector<float>.Count)
        {
            var v = new Vector<float>(values[k..]);
            lanes += v * v;
        }

        double sum = Vector.Sum(lanes);
        for (; k < values.Length; k++)
        {
            sum += values[k] * values[k];
        }

        return sum;
    }

    private static void Divide(Span<float> values, ReadOnlySpan<float> by)
    {
        int k = 0;
        for (; k <= values.Length - Vector<float>.Count; k += Vector<float>.Count)
        {
            (new Vector<float>(values[k..]) / new Vector<float>(by[k..])).CopyTo(values[k..]);
        }

        for (; k < values.Length; k++)
        {
            values[k] /= by[k];
        }
    }
}

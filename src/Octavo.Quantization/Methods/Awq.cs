using Octavo.Models;

namespace Octavo.Quantization.Methods;

/// <summary>
/// AWQ (arXiv 2306.00978): of scales between none and the inputs' own strength, those at which rounding costs the layer's
/// output least, folded into what stands before; then, group by group, the range that costs least.
/// </summary>
/// <param name="Steps">Scales that are tried.</param>
/// <param name="Clip">Whether ranges are searched, too; of queries and keys they never are.</param>
public sealed record Awq(int Steps = 20, bool Clip = true)
{
    private const int MostRows = 512;

    /// <summary>Folds the best scales into a layer.</summary>
    internal void Scale(LayerUnderWork layer, IReadOnlyDictionary<LinearRole, InputMoments> moments, Func<FloatMatrix, WeightScheme?> schemeOf, Observer observer)
    {
        DecoderSpec spec = layer.Spec;
        if (Smoothing.CanFold(spec))
        {
            Apply(LinearRole.QueryKeyValue, (stack, s) => Smoothing.IntoNorm(layer.AttentionNorm, stack, moments[LinearRole.QueryKeyValue], s));
            Apply(LinearRole.GateUp, (stack, s) => Smoothing.IntoNorm(layer.MlpNorm, stack, moments[LinearRole.GateUp], s));
        }

        // Query heads that share a value head must be divided by the same numbers.
        FloatMatrix value = layer.Stacks[LinearRole.QueryKeyValue][2];
        if (!value.HasBias)
        {
            Apply(
                LinearRole.Output,
                (stack, s) => Smoothing.IntoRows(value, stack, moments[LinearRole.Output], s, k => ValueRow(spec, k)),
                k => ValueRow(spec, k));
        }

        // Both x and max(x, 0) scale as their argument does, and so does what a gate multiplies.
        FloatMatrix up = layer.Stacks[LinearRole.GateUp][^1];
        if (!up.HasBias && (spec.GatedMlp || spec.Activation == Activation.Relu))
        {
            Apply(LinearRole.Down, (stack, s) => Smoothing.IntoRows(up, stack, moments[LinearRole.Down], s, k => k));
        }

        void Apply(LinearRole role, Action<FloatMatrix[], float[]> fold, Func<int, int>? shared = null)
        {
            FloatMatrix[] stack = layer.Stacks[role];
            if (Array.TrueForAll(stack, m => schemeOf(m) is not null) && Search(stack, moments[role], schemeOf(stack[0])!, observer, shared) is { } s)
            {
                fold(stack, s);
            }
        }
    }

    /// <summary>Rounds a matrix to nearest, in the ranges that cost its output least.</summary>
    internal CodedMatrix Quantize(FloatMatrix matrix, InputMoments moments, WeightScheme scheme, Observer observer, bool mayClip)
    {
        if (!Clip || !mayClip)
        {
            return RoundToNearest.Quantize(matrix, scheme, observer);
        }

        int group = scheme.Fit(matrix.Columns).GroupSize is > 0 and var size ? size : matrix.Columns;
        return RoundToNearest.Quantize(matrix, scheme, observer, (row, g) =>
        {
            float[] weights = matrix.Row(row).Slice(g * group, group).ToArray();
            double[] errors = new double[group];
            return Observer.Search(Math.Min(0, weights.Min()), Math.Max(0, weights.Max()), scheme, matrix.StoredType, (scale, zero) =>
            {
                for (int k = 0; k < group; k++)
                {
                    errors[k] = RoundToNearest.Value(RoundToNearest.Code(weights[k], scale, zero, scheme), scale, zero, scheme) - (double)weights[k];
                }

                return moments.MeanSquare(g * group, errors);
            });
        });
    }

    /// <summary>The row of the value projection that an input of the output projection comes from.</summary>
    private static int ValueRow(DecoderSpec spec, int k) =>
        (k / spec.HeadDim / (spec.NumHeads / spec.NumKvHeads) * spec.HeadDim) + (k % spec.HeadDim);

    /// <summary>The best numbers to multiply columns with, or null where none are better than ones.</summary>
    private float[]? Search(FloatMatrix[] stack, InputMoments moments, WeightScheme scheme, Observer observer, Func<int, int>? shared)
    {
        float[] ones = new float[moments.Width];
        ones.AsSpan().Fill(1);
        double least = Loss(stack, moments, scheme, observer, ones);
        float[]? best = null;
        double[] weights = MeanOfColumns(stack, scheme);
        for (int step = 1; step <= Steps; step++)
        {
            foreach (bool both in (ReadOnlySpan<bool>)[false, true])
            {
                float[] s = Candidate(moments, weights, (double)step / Steps, both, shared);
                double loss = Loss(stack, moments, scheme, observer, s);
                if (loss < least)
                {
                    (least, best) = (loss, s);
                }
            }
        }

        return best;
    }

    /// <summary><c>s = X^α</c>, or <c>X^α / W^(1−α)</c>, its largest and smallest as far above as below one.</summary>
    private static float[] Candidate(InputMoments moments, double[] weights, double ratio, bool both, Func<int, int>? shared)
    {
        double[] s = new double[moments.Width];
        for (int k = 0; k < s.Length; k++)
        {
            double x = Math.Max(moments.MeanMagnitude(k), 1e-8);
            s[k] = Math.Max(both ? Math.Pow(x, ratio) / Math.Pow(weights[k] + 1e-4, 1 - ratio) : Math.Pow(x, ratio), 1e-4);
        }

        if (shared is not null)
        {
            Dictionary<int, double> means = Enumerable.Range(0, s.Length).GroupBy(shared).ToDictionary(g => g.Key, g => Math.Exp(g.Average(k => Math.Log(s[k]))));
            s = [.. Enumerable.Range(0, s.Length).Select(k => means[shared(k)])];
        }

        double middle = Math.Sqrt(s.Max() * s.Min());
        return [.. s.Select(v => (float)(v / middle))];
    }

    /// <summary>The mean over rows of a column's magnitude, as a fraction of its group's largest.</summary>
    private static double[] MeanOfColumns(FloatMatrix[] stack, WeightScheme scheme)
    {
        double[] sums = new double[stack[0].Columns];
        int group = scheme.Fit(sums.Length).GroupSize is > 0 and var size ? size : sums.Length;
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

    private static double Loss(FloatMatrix[] stack, InputMoments moments, WeightScheme scheme, Observer observer, float[] s)
    {
        double total = 0;
        foreach (FloatMatrix matrix in stack)
        {
            WeightScheme fitted = scheme.Fit(matrix.Columns);
            int group = fitted.GroupSize > 0 ? fitted.GroupSize : matrix.Columns;
            int stride = Math.Max(1, matrix.Rows / MostRows);
            double[] losses = new double[matrix.Rows / stride];
            Parallel.For(0, matrix.Rows / stride, i =>
            {
                ReadOnlySpan<float> weights = matrix.Row(i * stride);
                double[] errors = new double[weights.Length];
                float[] scaled = new float[group];
                for (int first = 0; first < weights.Length; first += group)
                {
                    for (int k = 0; k < group; k++)
                    {
                        scaled[k] = weights[first + k] * s[first + k];
                    }

                    (float scale, int zero) = observer.Choose(scaled, fitted, matrix.StoredType);
                    for (int k = 0; k < group; k++)
                    {
                        float value = RoundToNearest.Value(RoundToNearest.Code(scaled[k], scale, zero, fitted), scale, zero, fitted);
                        errors[first + k] = (value / (double)s[first + k]) - weights[first + k];
                    }
                }

                losses[i] = moments.MeanSquare(0, errors);
            });
            total += losses.Sum();
        }

        return total;
    }
}

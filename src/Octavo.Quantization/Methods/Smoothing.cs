using Octavo.Models;

namespace Octavo.Quantization.Methods;

/// <summary>
/// Moves strength between a matrix and what stands before it: the inputs are divided by numbers that the weights' columns
/// are multiplied with. The division is folded into the norm before, or into the rows of the matrix before, and costs
/// nothing when the model runs.
/// </summary>
internal static class Smoothing
{
    private const float Least = 1e-5f;

    /// <summary>
    /// SmoothQuant (arXiv 2211.10438): <c>s = A^α / W^(1−α)</c> of each input's range A and its column's largest weight W.
    /// </summary>
    public static void SmoothQuant(LayerUnderWork layer, IReadOnlyDictionary<LinearRole, InputMoments> moments, double strength)
    {
        foreach ((LinearRole role, FloatNorm norm) in (ReadOnlySpan<(LinearRole, FloatNorm)>)[(LinearRole.QueryKeyValue, layer.AttentionNorm), (LinearRole.GateUp, layer.MlpNorm)])
        {
            FloatMatrix[] stack = layer.Stacks[role];
            float[] largest = LargestOfColumns(stack);
            float[] s = new float[largest.Length];
            for (int k = 0; k < s.Length; k++)
            {
                double activations = Math.Max(moments[role].Spread(k), Least);
                s[k] = (float)Math.Max(Math.Pow(activations, strength) / Math.Pow(Math.Max(largest[k], Least), 1 - strength), Least);
            }

            IntoNorm(norm, stack, moments[role], s);
        }
    }

    /// <summary>Divides a norm's results by <paramref name="s"/>, as near as its stored type comes, and multiplies the
    /// columns that read them with exactly what it became.</summary>
    public static void IntoNorm(FloatNorm norm, FloatMatrix[] stack, InputMoments moments, float[] s)
    {
        float[] exact = new float[s.Length];
        for (int k = 0; k < s.Length; k++)
        {
            float divided = StoredNumbers.Round(norm.Weight[k] / s[k], norm.StoredType);
            bool possible = divided != 0 && float.IsFinite(divided);
            exact[k] = possible ? norm.Weight[k] / divided : 1;
            norm.Weight[k] = possible ? divided : norm.Weight[k];
            if (norm.Bias is not null)
            {
                norm.Bias[k] = StoredNumbers.Round(norm.Bias[k] / exact[k], norm.StoredType);
            }
        }

        MultiplyColumns(stack, exact);
        moments.Divide(exact);
    }

    /// <summary>Divides the rows of the matrix before, and multiplies the columns that read them.</summary>
    /// <param name="before">The matrix before.</param>
    /// <param name="stack">The matrices that read it.</param>
    /// <param name="moments">What they are given.</param>
    /// <param name="s">A number for each input.</param>
    /// <param name="rowOf">The row that an input comes from; inputs of one row have the same number.</param>
    public static void IntoRows(FloatMatrix before, FloatMatrix[] stack, InputMoments moments, float[] s, Func<int, int> rowOf)
    {
        float[] divisors = new float[before.Rows];
        for (int k = 0; k < s.Length; k++)
        {
            divisors[rowOf(k)] = s[k];
        }

        Parallel.For(0, before.Rows, row =>
        {
            foreach (ref float w in before.Row(row))
            {
                w /= divisors[row];
            }
        });
        MultiplyColumns(stack, s);
        moments.Divide(s);
    }

    /// <summary>Whether norms stand where their results are a sublayer's only input.</summary>
    public static bool CanFold(DecoderSpec spec) => spec.NormPlacement == NormPlacement.Pre;

    private static float[] LargestOfColumns(FloatMatrix[] stack)
    {
        float[] largest = new float[stack[0].Columns];
        foreach (FloatMatrix matrix in stack)
        {
            for (int row = 0; row < matrix.Rows; row++)
            {
                ReadOnlySpan<float> weights = matrix.Row(row);
                for (int k = 0; k < weights.Length; k++)
                {
                    largest[k] = Math.Max(largest[k], Math.Abs(weights[k]));
                }
            }
        }

        return largest;
    }

    private static void MultiplyColumns(FloatMatrix[] stack, float[] s)
    {
        foreach (FloatMatrix matrix in stack)
        {
            Parallel.For(0, matrix.Rows, row =>
            {
                Span<float> weights = matrix.Row(row);
                for (int k = 0; k < weights.Length; k++)
                {
                    weights[k] *= s[k];
                }
            });
        }
    }
}

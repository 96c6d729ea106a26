using Octavo.Models;
using Octavo.Quantization.Workbench;

namespace Octavo.Quantization.Methods;

/// <summary>
/// Moves strength between a matrix and what stands before it: the inputs are divided by numbers that the weights'
/// columns are multiplied with. The division is folded into the norm before, or into the rows of the matrix before, and
/// costs nothing when the model runs.
/// </summary>
internal static class Smoothing
{
    private const float Least = 1e-5f;

    /// <summary>
    /// SmoothQuant (arXiv 2211.10438): <c>s = A^α / W^(1−α)</c> of each input's range A and its column's largest weight
    /// W.
    /// </summary>
    public static void SmoothQuant(
        PartUnderWork part, IReadOnlyDictionary<string, InputMoments> moments, double strength)
    {
        foreach (Fold fold in FoldsOf(part).Where(f => f.Norm is not null))
        {
            InputMoments inputs = moments[fold.Linear.Spec.Name];
            float[] largest = LargestOfColumns(fold.Linear.Matrices);
            float[] s = new float[largest.Length];
            for (int k = 0; k < s.Length; k++)
            {
                double activations = Math.Max(inputs.Spread(k), Least);
                s[k] = (float)Math.Max(
                    Math.Pow(activations, strength) / Math.Pow(Math.Max(largest[k], Least), 1 - strength), Least);
            }

            fold.Apply(inputs, s);
        }
    }

    /// <summary>The places of a part where strength can be moved, in the order they run.</summary>
    public static IEnumerable<Fold> FoldsOf(PartUnderWork part)
    {
        switch (part.Spec)
        {
            case AttentionSpec attention:
                // Query heads that share a value head must be divided by the same numbers.
                int shared = attention.NumHeads / attention.NumKvHeads;
                return FoldsOf(
                    part, attention is { ValueNorm: null, Clip: null } ? MatrixRole.Value : null,
                    k => (k / attention.HeadDim / shared * attention.HeadDim) + (k % attention.HeadDim));
            case FeedForwardSpec feedForward:
                // Both x and max(x, 0) scale as their argument does, and so does what a gate multiplies.
                bool scales = feedForward.IsGated || feedForward.Activation == Activation.Relu;
                return FoldsOf(part, scales ? MatrixRole.Up : null, null);
            default:
                // A kind that does not say here what reads its norm, and what is proportional to what, is left alone.
                return [];
        }
    }

    /// <summary>The places of a part whose first linear layer is the only one that reads its norm.</summary>
    /// <param name="part">The part.</param>
    /// <param name="producer">
    /// The matrix whose rows the last linear layer's inputs are proportional to; null where there is none.
    /// </param>
    /// <param name="sharedRow">The row of each input, where several have the same.</param>
    private static IEnumerable<Fold> FoldsOf(PartUnderWork part, MatrixRole? producer, Func<int, int>? sharedRow)
    {
        if (part.NormBefore is { Spec.Names.Weight: not null } norm && !part.SharesNorm)
        {
            yield return new Fold(part.Linears[0], norm, null, null);
        }

        FloatMatrix? rows =
            part.Linears.SelectMany(linear => linear.Matrices).FirstOrDefault(m => m.Spec.Role == producer);
        if (rows is { HasBias: false })
        {
            yield return new Fold(part.Linears[^1], null, rows, sharedRow);
        }
    }

    /// <summary>A linear layer, and what stands before it: a norm, or the rows of a matrix.</summary>
    /// <param name="Linear">The linear layer.</param>
    /// <param name="Norm">The norm before, or null.</param>
    /// <param name="Rows">The matrix before, or null.</param>
    /// <param name="SharedRow">The row that an input comes from, where several come from one: they have the same
    /// number.</param>
    public sealed record Fold(LinearUnderWork Linear, FloatNorm? Norm, FloatMatrix? Rows, Func<int, int>? SharedRow)
    {
        /// <summary>Divides what stands before, and multiplies the columns that read it.</summary>
        public void Apply(InputMoments moments, float[] s)
        {
            if (Norm is not null)
            {
                IntoNorm(Norm, Linear.Matrices, moments, s);
            }
            else
            {
                IntoRows(Rows!, Linear.Matrices, moments, s, SharedRow ?? (k => k));
            }
        }
    }

    /// <summary>
    /// Divides a norm's results by <paramref name="s"/>, as near as its stored type comes, and multiplies the columns
    /// that read them with exactly what it became.
    /// </summary>
    private static void IntoNorm(FloatNorm norm, FloatMatrix[] stack, InputMoments moments, float[] s)
    {
        float[] exact = new float[s.Length];
        for (int k = 0; k < s.Length; k++)
        {
            float offset = norm.Spec.WeightOffset, weight = norm.Weight[k] + offset;
            float stored = StoredNumbers.Round((weight / s[k]) - offset, norm.StoredType);
            float divided = stored + offset;
            bool possible = divided != 0 && float.IsFinite(divided);
            exact[k] = possible ? weight / divided : 1;
            norm.Weight[k] = possible ? stored : norm.Weight[k];
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
    private static void IntoRows(
        FloatMatrix before, FloatMatrix[] stack, InputMoments moments, float[] s, Func<int, int> rowOf)
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

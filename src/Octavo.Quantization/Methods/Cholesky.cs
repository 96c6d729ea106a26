using System.Numerics;

namespace Octavo.Quantization.Methods;

/// <summary>Triangular factors in double precision, in place, row by row.</summary>
internal static class Cholesky
{
    /// <summary>
    /// Overwrites the lower triangle of a symmetric matrix <c>[n, n]</c> with L, <c>L Lᵀ = A</c>; false where it is not
    /// positive definite.
    /// </summary>
    public static bool Factor(double[] a, int n)
    {
        for (int j = 0; j < n; j++)
        {
            ReadOnlySpan<double> rowJ = a.AsSpan(j * n, j);
            double pivot = a[((long)j * n) + j] - Dot(rowJ, rowJ);
            if (!(pivot > 0) || !double.IsFinite(pivot))
            {
                return false;
            }

            double root = Math.Sqrt(pivot);
            a[((long)j * n) + j] = root;
            int column = j;
            Parallel.For(j + 1, n, i =>
            {
                long at = ((long)i * n) + column;
                a[at] = (a[at] - Dot(a.AsSpan(i * n, column), a.AsSpan(column * n, column))) / root;
            });
        }

        return true;
    }

    /// <summary>Overwrites a lower triangle with its inverse.</summary>
    public static void InvertLower(double[] lower, int n)
    {
        // Row i of the inverse needs the rows before it and row i of L: Σ_k L[i,k] · X[k,:] = 0 for k ≤ i.
        double[] row = new double[n];
        for (int i = 0; i < n; i++)
        {
            Array.Clear(row);
            double diagonal = 1 / lower[((long)i * n) + i];
            for (int k = 0; k < i; k++)
            {
                AddScaled(lower.AsSpan(k * n, k + 1), lower[((long)i * n) + k], row);
            }

            for (int j = 0; j < i; j++)
            {
                lower[((long)i * n) + j] = -row[j] * diagonal;
            }

            lower[((long)i * n) + i] = diagonal;
        }
    }

    private static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        Vector<double> lanes = default;
        int i = 0;
        for (; i <= a.Length - Vector<double>.Count; i += Vector<double>.Count)
        {
            lanes += new Vector<double>(a[i..]) * new Vector<double>(b[i..]);
        }

        double sum = Vector.Sum(lanes);
        for (; i < a.Length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }

    private static void AddScaled(ReadOnlySpan<double> x, double factor, Span<double> y)
    {
        int i = 0;
        var factors = new Vector<double>(factor);
        for (; i <= x.Length - Vector<double>.Count; i += Vector<double>.Count)
        {
            (new Vector<double>(y[i..]) + (new Vector<double>(x[i..]) * factors)).CopyTo(y[i..]);
        }

        for (; i < x.Length; i++)
        {
            y[i] += x[i] * factor;
        }
    }
}

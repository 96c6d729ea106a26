using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Octavo.Quantization.Methods;

/// <summary>
/// What calibration remembers of a matrix's inputs: largest and mean magnitudes, and mean products of pairs. Products
/// are kept of inputs that share a block; one block of all inputs keeps every pair.
/// </summary>
/// <param name="width">Inputs.</param>
/// <param name="block">Inputs that share a block, a divisor of the width; 0 keeps no products.</param>
internal sealed unsafe class InputMoments(int width, int block)
{
    /// <summary>Outputs whose errors are weighed together, for each product is read once for all of them.</summary>
    public const int AtOnce = 4;

    private readonly float[] _lowest = new float[width];
    private readonly float[] _highest = new float[width];
    private readonly double[] _magnitudes = new double[width];
    private readonly double[] _products = new double[(long)width * block];      // [width / block][block][block]
    // The products' means, where they were asked for
    private float[]? _means;
    private (Gptq For, float[] Factor)? _factor;
    private long _rows;

    public int Width => width;

    /// <summary>The range of an input: the highest less the lowest.</summary>
    public float Spread(int k) => _highest[k] - _lowest[k];

    /// <summary>The mean magnitude of an input.</summary>
    public double MeanMagnitude(int k) => _magnitudes[k] / Math.Max(1, _rows);

    /// <summary>The mean product of two inputs of one block.</summary>
    public double Of(int i, int j) => _products[IndexOf(i, j)] / Math.Max(1, _rows);

    /// <summary>Whether an input was always zero.</summary>
    public bool IsDead(int k) => _products[IndexOf(k, k)] == 0;

    /// <summary>
    /// The mean squares of the errors of <see cref="AtOnce"/> outputs, given the errors of their weights for the inputs
    /// from
    /// <paramref name="first"/> on: <c>δᵀ H δ</c>, blocks taken as independent of each other.
    /// </summary>
    /// <param name="first">The first input.</param>
    /// <param name="errors">One output behind the other.</param>
    /// <param name="squares">Where the mean squares go.</param>
    public void MeanSquares(int first, ReadOnlySpan<float> errors, Span<double> squares)
    {
        float[] means = Means();
        int length = errors.Length / AtOnce;
        squares.Clear();
        for (int done = 0; done < length;)
        {
            int at = first + done;
            int size = Math.Min(length - done, block - (at % block));
            fixed (float* h = &means[IndexOf(at, at)], e = errors[done..])
            {
                AddQuadratic(h, block, e, length, size, squares);
            }

            done += size;
        }
    }

    /// <summary>The products' means; call it before threads share them.</summary>
    public float[] Means()
    {
        if (_means is null)
        {
            float[] means = new float[_products.Length];
            for (int i = 0; i < means.Length; i++)
            {
                means[i] = (float)(_products[i] / Math.Max(1, _rows));
            }

            _means = means;
        }

        return _means;
    }

    /// <summary>
    /// <c>eᵀ H e</c> of a corner of a block. A column meets the rows above it twice, as H is symmetric, and those of
    /// its own square once; rows are scaled by their errors, so that nothing is summed across lanes.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddQuadratic(float* h, int stride, float* e, int length, int size, Span<double> sums)
    {
        const int Columns = 16;
        float* e1 = e + length, e2 = e1 + length, e3 = e2 + length;
        int j = 0;
        for (; j <= size - Columns; j += Columns)
        {
            Vector256<float> a0 = default,
                a1 = default,
                b0 = default,
                b1 = default,
                c0 = default,
                c1 = default,
                d0 = default,
                d1 = default;
            for (int i = 0; i < j + Columns; i++)
            {
                if (i == j)
                {
                    (a0, a1, b0, b1, c0, c1, d0, d1) =
                        (a0 + a0, a1 + a1, b0 + b0, b1 + b1, c0 + c0, c1 + c1, d0 + d0, d1 + d1);
                }

                float* row = h + ((long)i * stride) + j;
                Vector256<float> left = Vector256.Load(row), right = Vector256.Load(row + Vector256<float>.Count);
                Vector256<float> factor = Vector256.Create(e[i]);
                (a0, a1) =
                    (Vector256.FusedMultiplyAdd(left, factor, a0), Vector256.FusedMultiplyAdd(right, factor, a1));
                factor = Vector256.Create(e1[i]);
                (b0, b1) =
                    (Vector256.FusedMultiplyAdd(left, factor, b0), Vector256.FusedMultiplyAdd(right, factor, b1));
                factor = Vector256.Create(e2[i]);
                (c0, c1) =
                    (Vector256.FusedMultiplyAdd(left, factor, c0), Vector256.FusedMultiplyAdd(right, factor, c1));
                factor = Vector256.Create(e3[i]);
                (d0, d1) =
                    (Vector256.FusedMultiplyAdd(left, factor, d0), Vector256.FusedMultiplyAdd(right, factor, d1));
            }

            sums[0] += Vector256.Sum(
                (a0 * Vector256.Load(e + j)) + (a1 * Vector256.Load(e + j + Vector256<float>.Count)));
            sums[1] += Vector256.Sum(
                (b0 * Vector256.Load(e1 + j)) + (b1 * Vector256.Load(e1 + j + Vector256<float>.Count)));
            sums[2] += Vector256.Sum(
                (c0 * Vector256.Load(e2 + j)) + (c1 * Vector256.Load(e2 + j + Vector256<float>.Count)));
            sums[3] += Vector256.Sum(
                (d0 * Vector256.Load(e3 + j)) + (d1 * Vector256.Load(e3 + j + Vector256<float>.Count)));
        }

        for (; j < size; j++)
        {
            for (int output = 0; output < AtOnce; output++)
            {
                float* own = e + ((long)output * length);
                double product = 0;
                for (int i = 0; i < j; i++)
                {
                    product += 2 * h[((long)i * stride) + j] * own[i];
                }

                sums[output] += (product + (h[((long)j * stride) + j] * own[j])) * own[j];
            }
        }
    }

    /// <summary>The factor that GPTQ needs: matrices that share an input share it.</summary>
    public float[] FactorFor(Gptq settings, Func<float[]> make)
    {
        (Gptq For, float[] Factor) factor = _factor is { } made && made.For == settings ? made : (settings, make());
        _factor = factor;
        return factor.Factor;
    }

    /// <summary>Divides each input by a number, as if the inputs had been so all along.</summary>
    public void Divide(ReadOnlySpan<float> by)
    {
        float[] divisors = by.ToArray();
        (_factor, _means) = (null, null);
        for (int k = 0; k < width; k++)
        {
            _lowest[k] /= divisors[k];
            _highest[k] /= divisors[k];
            _magnitudes[k] /= divisors[k];
        }

        Parallel.For(0, block == 0 ? 0 : width, i =>
        {
            int begin = i - (i % block);
            for (int j = begin; j < begin + block; j++)
            {
                _products[IndexOf(i, j)] /= (double)divisors[i] * divisors[j];
            }
        });
    }

    /// <summary>Adds rows of inputs, <c>[rows][width]</c>.</summary>
    public void Add(float* x, int rows)
    {
        _rows += rows;
        _means = null;
        for (int row = 0; row < rows; row++)
        {
            float* values = x + ((long)row * width);
            for (int k = 0; k < width; k++)
            {
                _lowest[k] = Math.Min(_lowest[k], values[k]);
                _highest[k] = Math.Max(_highest[k], values[k]);
                _magnitudes[k] += Math.Abs(values[k]);
            }
        }

        if (block > 0)
        {
            // A part's sums are float32, all of them double: a few hundred rows lose nothing that matters.
            float[] columns = Transposed(x, rows);
            Parallel.For(0, width, i => AddProducts(columns, i, rows));
        }
    }

    // Rows of all blocks stand one behind the other, so that a row's block need not be known for where it stands.
    private long IndexOf(int i, int j) => ((long)i * block) + (j % block);

    private float[] Transposed(float* x, int rows)
    {
        float[] columns = new float[(long)width * rows];
        for (int row = 0; row < rows; row++)
        {
            for (int k = 0; k < width; k++)
            {
                columns[((long)k * rows) + row] = x[((long)row * width) + k];
            }
        }

        return columns;
    }

    private void AddProducts(float[] columns, int i, int rows)
    {
        ReadOnlySpan<float> a = columns.AsSpan(i * rows, rows);
        for (int j = i - (i % block); j <= i; j++)
        {
            ReadOnlySpan<float> b = columns.AsSpan(j * rows, rows);
            Vector<float> lanes = default, others = default;
            int t = 0;
            for (; t <= rows - (2 * Vector<float>.Count); t += 2 * Vector<float>.Count)
            {
                lanes += new Vector<float>(a[t..]) * new Vector<float>(b[t..]);
                others += new Vector<float>(
                    a[(t + Vector<float>.Count)..]) * new Vector<float>(b[(t + Vector<float>.Count)..]);
            }

            double sum = Vector.Sum(lanes + others);
            for (; t < rows; t++)
            {
                sum += (double)a[t] * b[t];
            }

            _products[IndexOf(i, j)] += sum;
            if (i != j)
            {
                _products[IndexOf(j, i)] += sum;
            }
        }
    }
}

using System.Numerics;
using System.Runtime.Intrinsics;

namespace Octavo.Quantization.Methods;

/// <summary>
/// What calibration remembers of a matrix's inputs: largest and mean magnitudes, and mean products of pairs. Products are
/// kept of inputs that share a block; one block of all inputs keeps every pair.
/// </summary>
/// <param name="width">Inputs.</param>
/// <param name="block">Inputs that share a block, a divisor of the width; 0 keeps no products.</param>
internal sealed unsafe class InputMoments(int width, int block)
{
    private readonly float[] _lowest = new float[width];
    private readonly float[] _highest = new float[width];
    private readonly double[] _magnitudes = new double[width];
    private readonly double[] _products = new double[(long)width * block];      // [width / block][block][block]
    private float[]? _means;                                                    // the products' means, where they were asked for
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
    /// The mean square of an output's error, given the errors of its weights for the inputs from <paramref name="first"/> on:
    /// <c>δᵀ H δ</c>, blocks taken as independent of each other.
    /// </summary>
    public double MeanSquare(int first, ReadOnlySpan<float> errors)
    {
        float[] means = Means();
        double sum = 0;
        for (int done = 0; done < errors.Length;)
        {
            int at = first + done;
            int size = Math.Min(errors.Length - done, block - (at % block));
            fixed (float* h = &means[IndexOf(at, at)], e = errors[done..])
            {
                sum += Quadratic(h, block, e, size);
            }

            done += size;
        }

        return sum;
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

    /// <summary><c>eᵀ H e</c> of a corner of a block. Row by row, each scaled by its error, so that nothing is summed across lanes.</summary>
    private static double Quadratic(float* h, int stride, float* e, int size)
    {
        const int AtOnce = 4;
        double sum = 0;
        int j = 0;
        for (; j <= size - (AtOnce * Vector256<float>.Count); j += AtOnce * Vector256<float>.Count)
        {
            Vector256<float> a = default, b = default, c = default, d = default;
            for (int i = 0; i < size; i++)
            {
                float* row = h + ((long)i * stride) + j;
                Vector256<float> factor = Vector256.Create(e[i]);
                a = Vector256.FusedMultiplyAdd(Vector256.Load(row), factor, a);
                b = Vector256.FusedMultiplyAdd(Vector256.Load(row + 8), factor, b);
                c = Vector256.FusedMultiplyAdd(Vector256.Load(row + 16), factor, c);
                d = Vector256.FusedMultiplyAdd(Vector256.Load(row + 24), factor, d);
            }

            sum += Vector256.Sum(
                (a * Vector256.Load(e + j)) + (b * Vector256.Load(e + j + 8)) + (c * Vector256.Load(e + j + 16)) + (d * Vector256.Load(e + j + 24)));
        }

        for (; j < size; j++)
        {
            double product = 0;
            for (int i = 0; i < size; i++)
            {
                product += h[((long)i * stride) + j] * e[i];
            }

            sum += product * e[j];
        }

        return sum;
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
                others += new Vector<float>(a[(t + Vector<float>.Count)..]) * new Vector<float>(b[(t + Vector<float>.Count)..]);
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

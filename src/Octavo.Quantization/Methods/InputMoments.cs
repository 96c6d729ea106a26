using System.Numerics;

namespace Octavo.Quantization.Methods;

/// <summary>What calibration remembers of a matrix's inputs: largest and mean magnitudes, and mean products of pairs.</summary>
internal sealed unsafe class InputMoments(int width, bool withProducts)
{
    private readonly float[] _lowest = new float[width];
    private readonly float[] _highest = new float[width];
    private readonly double[] _magnitudes = new double[width];
    private readonly double[] _products = withProducts ? new double[(long)width * width] : [];
    private (Gptq For, float[] Factor)? _factor;
    private long _rows;

    public int Width => width;

    /// <summary>The range of an input: the highest less the lowest.</summary>
    public float Spread(int k) => _highest[k] - _lowest[k];

    /// <summary>The mean magnitude of an input.</summary>
    public double MeanMagnitude(int k) => _magnitudes[k] / Math.Max(1, _rows);

    /// <summary>The mean product of two inputs.</summary>
    public double Of(int i, int j) => _products[((long)i * width) + j] / Math.Max(1, _rows);

    /// <summary>Whether an input was always zero.</summary>
    public bool IsDead(int k) => _products[((long)k * width) + k] == 0;

    /// <summary>
    /// The mean square of an output's error, given the errors of its weights for the inputs from <paramref name="first"/> on:
    /// <c>δᵀ H δ</c>.
    /// </summary>
    public double MeanSquare(int first, ReadOnlySpan<double> errors)
    {
        double sum = 0;
        for (int i = 0; i < errors.Length; i++)
        {
            // H is symmetric: what stands behind the diagonal counts twice.
            ReadOnlySpan<double> row = _products.AsSpan(((first + i) * width) + first + i, errors.Length - i);
            ReadOnlySpan<double> behind = errors[i..];
            Vector<double> lanes = default, others = default;
            int j = 1;
            for (; j <= row.Length - (2 * Vector<double>.Count); j += 2 * Vector<double>.Count)
            {
                lanes += new Vector<double>(row[j..]) * new Vector<double>(behind[j..]);
                others += new Vector<double>(row[(j + Vector<double>.Count)..]) * new Vector<double>(behind[(j + Vector<double>.Count)..]);
            }

            double product = Vector.Sum(lanes + others);
            for (; j < row.Length; j++)
            {
                product += row[j] * behind[j];
            }

            sum += ((2 * product) + (row[0] * errors[i])) * errors[i];
        }

        return sum / Math.Max(1, _rows);
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
        _factor = null;
        for (int k = 0; k < width; k++)
        {
            _lowest[k] /= divisors[k];
            _highest[k] /= divisors[k];
            _magnitudes[k] /= divisors[k];
        }

        Parallel.For(0, withProducts ? width : 0, i =>
        {
            for (int j = 0; j < width; j++)
            {
                _products[((long)i * width) + j] /= (double)divisors[i] * divisors[j];
            }
        });
    }

    /// <summary>Adds rows of inputs, <c>[rows][width]</c>.</summary>
    public void Add(float* x, int rows)
    {
        _rows += rows;
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

        if (withProducts)
        {
            // A part's sums are float32, all of them double: a few hundred rows lose nothing that matters.
            float[] columns = Transposed(x, rows);
            Parallel.For(0, width, i => AddProducts(columns, i, rows));
        }
    }

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
        for (int j = 0; j <= i; j++)
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

            _products[((long)i * width) + j] += sum;
            if (i != j)
            {
                _products[((long)j * width) + i] += sum;
            }
        }
    }
}

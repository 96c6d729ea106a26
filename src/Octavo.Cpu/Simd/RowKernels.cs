using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Octavo.Cpu.Simd;

/// <summary>
/// What happens to one row at a time between the matrices: norms, rotations, residuals. Sums run in
/// sixteen lanes from the row's beginning; element-wise work has no order.
/// </summary>
internal static unsafe class RowKernels
{
    private const int Lanes = 16;
    private const int RotateLanes = 8;           // half a head of 16 dimensions

    /// <summary><c>y = x / sqrt(mean(x²) + ε) · w</c></summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void RmsNorm(float* x, float* weight, float epsilon, float* y, int width)
    {
        float factor = 1f / MathF.Sqrt((SumOfSquares(x, 0f, width) / width) + epsilon);
        int i = 0;
        for (; i <= width - Lanes; i += Lanes)
        {
            (Vector512.Load(x + i) * factor * Vector512.Load(weight + i)).Store(y + i);
        }

        for (; i < width; i++)
        {
            y[i] = x[i] * factor * weight[i];
        }
    }

    /// <summary><c>y = (x − mean) / sqrt(var + ε) · w + b</c></summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LayerNorm(float* x, float* weight, float* bias, float epsilon, float* y, int width)
    {
        float mean = Sum(x, width) / width;
        float factor = 1f / MathF.Sqrt((SumOfSquares(x, mean, width) / width) + epsilon);
        for (int i = 0; i < width; i++)
        {
            y[i] = MathF.FusedMultiplyAdd((x[i] - mean) * factor, weight[i], bias == null ? 0f : bias[i]);
        }
    }

    /// <summary><c>y += x</c></summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add(float* x, float* y, int width)
    {
        int i = 0;
        for (; i <= width - Lanes; i += Lanes)
        {
            (Vector512.Load(y + i) + Vector512.Load(x + i)).Store(y + i);
        }

        for (; i < width; i++)
        {
            y[i] += x[i];
        }
    }

    /// <summary><c>y += scale · x</c></summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddScaled(float* x, float scale, float* y, int width)
    {
        for (int i = 0; i < width; i++)
        {
            y[i] += scale * x[i];
        }
    }

    /// <summary><c>y = x · y</c>, element by element.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(float* x, float* y, int width)
    {
        for (int i = 0; i < width; i++)
        {
            y[i] *= x[i];
        }
    }

    /// <summary><c>x = scale · x</c></summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scale(float* x, float scale, int width)
    {
        for (int i = 0; i < width; i++)
        {
            x[i] *= scale;
        }
    }

    /// <summary><c>x = min(max(x, −limit), limit)</c>; what is not a number stays.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Clip(float* x, float limit, int width)
    {
        for (int i = 0; i < width; i++)
        {
            x[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
        }
    }

    /// <summary><c>x = cap · tanh(x / cap)</c></summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void SoftCap(float* x, float cap, int width)
    {
        int i = 0;
        for (; i <= width - Lanes; i += Lanes)
        {
            SoftCap(Vector512.Load(x + i), cap).Store(x + i);
        }

        for (; i < width; i++)
        {
            x[i] = SoftCap(Vector512.CreateScalar(x[i]), cap).ToScalar();
        }
    }

    /// <summary>
    /// Rotates the pairs of neighbours among the first <paramref name="dims"/> elements of each head by the position's
    /// angles.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void RotateNeighbours(float* heads, int numHeads, int headDim, int dims, float* cos, float* sin)
    {
        for (int head = 0; head < numHeads; head++, heads += headDim)
        {
            for (int pair = 0; pair < dims / 2; pair++)
            {
                float a = heads[2 * pair];
                float b = heads[(2 * pair) + 1];
                heads[2 * pair] = (a * cos[pair]) - (b * sin[pair]);
                heads[(2 * pair) + 1] = (b * cos[pair]) + (a * sin[pair]);
            }
        }
    }

    /// <summary>
    /// Rotates the pairs (i, i + dims/2) of the first <paramref name="dims"/> elements of each head by the position's
    /// angles.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void RotateHalves(float* heads, int numHeads, int headDim, int dims, float* cos, float* sin)
    {
        int half = dims / 2;
        for (int head = 0; head < numHeads; head++, heads += headDim)
        {
            int pair = 0;
            for (; pair <= half - RotateLanes; pair += RotateLanes)
            {
                Vector256<float> a = Vector256.Load(heads + pair);
                Vector256<float> b = Vector256.Load(heads + pair + half);
                Vector256<float> c = Vector256.Load(cos + pair);
                Vector256<float> s = Vector256.Load(sin + pair);
                ((a * c) - (b * s)).Store(heads + pair);
                ((b * c) + (a * s)).Store(heads + pair + half);
            }

            for (; pair < half; pair++)
            {
                float a = heads[pair];
                float b = heads[pair + half];
                heads[pair] = (a * cos[pair]) - (b * sin[pair]);
                heads[pair + half] = (b * cos[pair]) + (a * sin[pair]);
            }
        }
    }

    /// <summary><c>tanh(x) = 2 / (1 + e^−2x) − 1</c></summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> SoftCap(Vector512<float> x, float cap) =>
        (Vector512.Create(2 * cap) / (Vector512<float>.One + Exponential.OfMinus(x * (2 / cap))))
            - Vector512.Create(cap);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum(float* x, int width)
    {
        Vector512<float> lanes = default;
        int i = 0;
        for (; i <= width - Lanes; i += Lanes)
        {
            lanes += Vector512.Load(x + i);
        }

        float sum = AddLanes(lanes);
        for (; i < width; i++)
        {
            sum += x[i];
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float SumOfSquares(float* x, float mean, int width)
    {
        Vector512<float> lanes = default;
        var offset = Vector512.Create(mean);
        int i = 0;
        for (; i <= width - Lanes; i += Lanes)
        {
            Vector512<float> v = Vector512.Load(x + i) - offset;
            lanes += v * v;
        }

        float sum = AddLanes(lanes);
        for (; i < width; i++)
        {
            float v = x[i] - mean;
            sum += v * v;
        }

        return sum;
    }

    private static float AddLanes(Vector512<float> lanes)
    {
        float sum = 0;
        for (int lane = 0; lane < Lanes; lane++)
        {
            sum += lanes[lane];
        }

        return sum;
    }
}

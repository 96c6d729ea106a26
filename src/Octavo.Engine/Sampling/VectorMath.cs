using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Octavo.Engine.Sampling;

/// <summary>
/// Reductions over a row of logits. Sixteen lanes run over the row from its beginning whatever the machine or the
/// alignment, so the result depends on the row alone.
/// </summary>
internal static class VectorMath
{
    private const int Lanes = 16;

    /// <summary>The greatest element; NaN where one is.</summary>
    public static float Max(ReadOnlySpan<float> row)
    {
        var lanes = Vector512.Create(float.NegativeInfinity);
        int i = 0;
        for (; i <= row.Length - Lanes; i += Lanes)
        {
            lanes = Vector512.Max(lanes, Load(row, i));
        }

        float max = float.NegativeInfinity;
        for (int lane = 0; lane < Lanes; lane++)
        {
            max = Math.Max(max, lanes[lane]);
        }

        for (; i < row.Length; i++)
        {
            max = Math.Max(max, row[i]);
        }

        return max;
    }

    /// <summary>How many elements are at least as great as <paramref name="threshold"/>.</summary>
    public static int CountAtLeast(ReadOnlySpan<float> row, float threshold)
    {
        var lanes = Vector512<int>.Zero;
        var limit = Vector512.Create(threshold);
        int i = 0;
        for (; i <= row.Length - Lanes; i += Lanes)
        {
            lanes -= Vector512.GreaterThanOrEqual(Load(row, i), limit).AsInt32();
        }

        int count = Vector512.Sum(lanes);
        for (; i < row.Length; i++)
        {
            count += row[i] >= threshold ? 1 : 0;
        }

        return count;
    }

    /// <summary>The sum of <c>exp(x − max)</c>, in double precision over partial sums of each 1,024 elements.</summary>
    public static double SumExp(ReadOnlySpan<float> row, float max)
    {
        double sum = 0;
        var offset = Vector512.Create(max);
        for (int start = 0; start < row.Length; start += 1024)
        {
            ReadOnlySpan<float> part = row.Slice(start, Math.Min(1024, row.Length - start));
            var lanes = Vector512<float>.Zero;
            int i = 0;
            for (; i <= part.Length - Lanes; i += Lanes)
            {
                lanes += Vector512.Exp(Load(part, i) - offset);
            }

            for (int lane = 0; lane < Lanes; lane++)
            {
                sum += lanes[lane];
            }

            for (; i < part.Length; i++)
            {
                sum += Math.Exp(part[i] - max);
            }
        }

        return sum;
    }

    /// <summary>Writes <c>exp((x − max) · scale)</c>.</summary>
    public static void ExpScaled(ReadOnlySpan<float> row, float max, float scale, Span<float> result)
    {
        var offset = Vector512.Create(max);
        int i = 0;
        for (; i <= row.Length - Lanes; i += Lanes)
        {
            Vector512.Exp((Load(row, i) - offset) * scale).CopyTo(result[i..]);
        }

        for (; i < row.Length; i++)
        {
            result[i] = MathF.Exp((row[i] - max) * scale);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Load(ReadOnlySpan<float> row, int index) =>
        Vector512.LoadUnsafe(ref MemoryMarshal.GetReference(row), (nuint)index);
}

using Octavo.Cpu.Cache;
using Octavo.Cpu.Simd;

namespace Octavo.Cpu.Attention;

/// <summary>Soft caps and distances (ALiBi), which few models have: one pass over a row's scores.</summary>
internal static unsafe class ScoreAdjustment
{
    public const float Log2E = 1.44269504f;

    // tanh of 16 is 1 in float32.
    private const float LargestAngle = 16f;

    private static ReadOnlySpan<float> Lanes => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    /// <summary>
    /// <c>score = cap · tanh(score) + slope · distance</c>, in units of log 2.
    /// </summary>
    /// <param name="scores">Scores: over the cap where there is one, otherwise in units of log 2 already.</param>
    /// <param name="count">How many, a multiple of 16.</param>
    /// <param name="cap">The soft cap, or 0.</param>
    /// <param name="slope">The head's slope, or 0.</param>
    /// <param name="distance">The first key's position less the row's.</param>
    public static void Apply<TVector, TSimd, TInt, TIntSimd>(
        float* scores, int count, float cap, float slope, int distance)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
        where TInt : struct
        where TIntSimd : struct, IIntSimd<TVector, TInt>
    {
        float* lanes = stackalloc float[KvLayout.GroupKeys];
        Lanes.CopyTo(new Span<float>(lanes, KvLayout.GroupKeys));
        TVector one = TSimd.Broadcast(1f);
        for (int i = 0; i < count; i += TSimd.Count)
        {
            TVector x = TSimd.Load(scores + i);
            if (cap > 0)
            {
                // tanh x = 1 − 2 / (2^(2x / ln 2) + 1)
                x = TSimd.Max(x, TSimd.Broadcast(-LargestAngle));
                x = TSimd.Subtract(default, TSimd.Max(TSimd.Subtract(default, x), TSimd.Broadcast(-LargestAngle)));
                TVector power =
                    Exponential.Of<TVector, TSimd, TInt, TIntSimd>(TSimd.Multiply(x, TSimd.Broadcast(2 * Log2E)));
                TVector tanh = TSimd.Subtract(one, TSimd.Divide(TSimd.Broadcast(2f), TSimd.Add(power, one)));
                x = TSimd.Multiply(tanh, TSimd.Broadcast(cap * Log2E));
            }

            TVector distances = TSimd.Add(
                TSimd.Load(lanes + (i % KvLayout.GroupKeys)),
                TSimd.Broadcast((float)(distance + i - (i % KvLayout.GroupKeys))));
            TSimd.Store(slope == 0 ? x : TSimd.MultiplyAdd(TSimd.Broadcast(slope * Log2E), distances, x), scores + i);
        }
    }
}

using System.Diagnostics;
using System.Runtime.Intrinsics;
using Octavo.Cpu.Panels;
using Octavo.Formats;
using Octavo.Formats.Stored;
using Octavo.Quantization.Workbench;

namespace Octavo.Quantization.Methods;

/// <summary>How the range that codes must span is chosen from the weights of a group.</summary>
public enum ObserverKind
{
    /// <summary>
    /// <see cref="Mse"/> for four bits, which are too few for outliers; <see cref="MinMax"/> for eight.
    /// </summary>
    Auto,

    /// <summary>From the smallest to the largest.</summary>
    MinMax,

    /// <summary>Leaving out the largest magnitudes, a stated fraction of them.</summary>
    Percentile,

    /// <summary>
    /// Of ranges shrunk step by step, the one whose rounding errors are smallest (power 2.4, as llm-compressor's).
    /// </summary>
    Mse,
}

/// <summary>Chooses scale and zero-point for the weights of a group.</summary>
/// <param name="Kind">How.</param>
/// <param name="Percentile">For <see cref="ObserverKind.Percentile"/>: the part of all magnitudes that is inside the
/// range, from 0 to 1.</param>
public sealed record Observer(ObserverKind Kind = ObserverKind.Auto, double Percentile = 0.999)
{
    /// <summary>Ranges that a search tries, each a fiftieth narrower than the one before.</summary>
    internal const int Shrinks = 40;

    private const float ShrinkStep = 0.02f;
    private const double Power = 2.4;

    // A range whose error is so many times the least has cut off too much, and those behind it cut off more.
    internal const double Hopeless = 8;

    /// <summary>Chooses for a group; the scale is a number of <paramref name="stored"/>.</summary>
    internal (float Scale, int Zero) Choose(ReadOnlySpan<float> weights, WeightScheme scheme, TensorType stored)
    {
        (float min, float max) = Extremes(weights);
        ObserverKind kind = Kind != ObserverKind.Auto ? Kind
            : scheme.Bits == 4 ? ObserverKind.Mse
            : ObserverKind.MinMax;
        switch (kind)
        {
            case ObserverKind.Percentile:
                float most = Magnitude(weights);
                return Range(Math.Max(min, -most), Math.Min(max, most), scheme, stored);
            case ObserverKind.Mse:
                return Search(min, max, scheme, stored, Error(weights, scheme));
            case ObserverKind.MinMax:
                return Range(min, max, scheme, stored);
            case ObserverKind.Auto:
            default:
                throw new UnreachableException($"{kind}");
        }
    }

    /// <summary>The least range that holds all weights and 0.</summary>
    internal static (float Min, float Max) Extremes(ReadOnlySpan<float> weights)
    {
        (float min, float max) = (0, 0);
        foreach (float w in weights)
        {
            (min, max) = (Math.Min(min, w), Math.Max(max, w));
        }

        return (min, max);
    }

    /// <summary>Of ranges shrunk step by step, the one of the smallest error.</summary>
    private static (float Scale, int Zero) Search(
        float min, float max, WeightScheme scheme, TensorType stored, Func<float, int, double> error)
    {
        (float Scale, int Zero) best = Range(min, max, scheme, stored);
        double least = error(best.Scale, best.Zero);
        for (int i = 1; i < Shrinks; i++)
        {
            (float scale, int zero) = Shrunk(min, max, i, scheme, stored);
            double now = error(scale, zero);
            if (now < least)
            {
                (least, best) = (now, (scale, zero));
            }
            else if (now > Hopeless * least)
            {
                break;
            }
        }

        return best;
    }

    /// <summary>The scale and zero-point of a range shrunk so many times.</summary>
    internal static (float Scale, int Zero) Shrunk(
        float min, float max, int times, WeightScheme scheme, TensorType stored)
    {
        float factor = 1 - (times * ShrinkStep);
        return Range(min * factor, max * factor, scheme, stored);
    }

    /// <summary>
    /// The scale and zero-point of a range that holds 0 (compressed-tensors' <c>calculate_qparams</c>).
    /// </summary>
    internal static (float Scale, int Zero) Range(float min, float max, WeightScheme scheme, TensorType stored)
    {
        if (scheme.Kind == CodeKind.Float8)
        {
            return (Positive(Math.Max(-min, max) / WeightQuantizer.Float8Largest, stored), 0);
        }

        int levels = (1 << scheme.Bits) - 1;
        int lowest = -(1 << (scheme.Bits - 1));
        if (!scheme.Asymmetric)
        {
            return (Positive(Math.Max(-min, max) / (levels / 2f), stored), 0);
        }

        float scale = Positive((max - min) / levels, stored);
        return (scale, (int)Math.Clamp(MathF.Round(lowest - (min / scale)), lowest, -lowest - 1));
    }

    private static Func<float, int, double> Error(ReadOnlySpan<float> weights, WeightScheme scheme)
    {
        float[] copy = weights.ToArray();
        return scheme.Kind == CodeKind.Integer
            ? (scale, zero) => ErrorOfIntegers(copy, scale, zero, scheme.Bits)
            : (scale, zero) => copy.Sum(w => Math.Pow(
                Math.Abs(w - RoundToNearest.Value(RoundToNearest.Code(w, scale, zero, scheme), scale, zero, scheme)),
                Power));
    }

    /// <summary>The same for integers, eight weights at once: the search asks for it forty times a group.</summary>
    private static double ErrorOfIntegers(ReadOnlySpan<float> weights, float scale, int zero, int bits)
    {
        int lowest = -(1 << (bits - 1));
        Vector256<float> sums = default;
        Span<float> last = stackalloc float[Vector256<float>.Count];
        for (int i = 0; i < weights.Length; i += Vector256<float>.Count)
        {
            Vector256<float> w;
            if (i + Vector256<float>.Count <= weights.Length)
            {
                w = Vector256.Create(weights[i..]);
            }
            else
            {
                // Zeros are exact in any range that holds them.
                last.Clear();
                weights[i..].CopyTo(last);
                w = Vector256.Create<float>(last);
            }

            Vector256<float> code = Vector256.Round(w / Vector256.Create(scale), MidpointRounding.ToEven);
            code = Vector256.Min(
                Vector256.Max(code, Vector256.Create((float)(lowest - zero))),
                Vector256.Create((float)(-lowest - 1 - zero)));
            Vector256<float> error = Vector256.Abs(w - (code * Vector256.Create(scale)));
            sums += Vector256.Exp(Vector256.Log(error) * Vector256.Create((float)Power));
        }

        return Vector256.Sum(sums);
    }

    // Float16 knows no smaller number that is not subnormal.
    private static float Positive(float scale, TensorType stored) =>
        StoredNumbers.Round(Math.Max(scale, stored == TensorType.Float16 ? 6.104e-5f : 1.1920929e-7f), stored);

    private float Magnitude(ReadOnlySpan<float> weights)
    {
        float[] magnitudes = new float[weights.Length];
        for (int i = 0; i < weights.Length; i++)
        {
            magnitudes[i] = Math.Abs(weights[i]);
        }

        Array.Sort(magnitudes);
        return magnitudes[(int)Math.Clamp(Math.Ceiling(Percentile * magnitudes.Length) - 1, 0, magnitudes.Length - 1)];
    }
}

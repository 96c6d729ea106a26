using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Octavo.Cpu.Panels;
using Octavo.Formats;
using Octavo.Formats.Stored;
using Octavo.Quantization.Workbench;

namespace Octavo.Quantization.Methods;

/// <summary>Rounds each weight to the nearest code: no calibration.</summary>
internal static class RoundToNearest
{
    /// <summary>
    /// Quantizes a matrix; <paramref name="choose"/> may take the place of the observer for a row's group.
    /// </summary>
    public static CodedMatrix Quantize(
        FloatMatrix matrix, WeightScheme scheme, Observer observer,
        Func<int, int, (float Scale, int Zero)>? choose = null)
    {
        var coded = CodedMatrix.For(matrix, scheme);
        Parallel.For(0, matrix.Rows, row =>
        {
            ReadOnlySpan<float> weights = matrix.Row(row);
            Span<sbyte> codes = coded.Codes.AsSpan(row * matrix.Columns, matrix.Columns);
            for (int g = 0; g < coded.Groups; g++)
            {
                ReadOnlySpan<float> group = weights.Slice(g * coded.GroupSize, coded.GroupSize);
                (float scale, int zero) = choose?.Invoke(row, g) ?? observer.Choose(group, scheme, coded.ScaleType);
                coded.Scales[(row * coded.Groups) + g] = scale;
                coded.Zeros[(row * coded.Groups) + g] = zero;
                for (int k = 0; k < group.Length; k++)
                {
                    codes[(g * coded.GroupSize) + k] = Code(group[k], scale, zero, scheme);
                }
            }
        });
        return coded;
    }

    /// <summary>The code nearest to a weight; of E4M3, its byte.</summary>
    public static sbyte Code(float weight, float scale, int zero, WeightScheme scheme)
    {
        if (scheme.Kind == CodeKind.Float8)
        {
            return (sbyte)WeightQuantizer.ToFloat8(weight / scale);
        }

        int lowest = -(1 << (scheme.Bits - 1));
        return (sbyte)Math.Clamp(MathF.Round(weight / scale) + zero, lowest, -lowest - 1);
    }

    /// <summary>What rounding adds to each weight of a group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Errors(
        ReadOnlySpan<float> weights, float scale, int zero, WeightScheme scheme, Span<float> errors)
    {
        int k = 0;
        if (scheme.Kind == CodeKind.Integer)
        {
            int lowest = -(1 << (scheme.Bits - 1));
            Vector256<float> scales = Vector256.Create(scale),
                least = Vector256.Create((float)(lowest - zero)),
                most = Vector256.Create((float)(-lowest - 1 - zero));
            for (; k <= weights.Length - Vector256<float>.Count; k += Vector256<float>.Count)
            {
                Vector256<float> w = Vector256.Create(weights[k..]);
                Vector256<float> code = Vector256.Round(w / scales, MidpointRounding.ToEven);
                ((Vector256.Min(Vector256.Max(code, least), most) * scales) - w).CopyTo(errors[k..]);
            }
        }

        for (; k < weights.Length; k++)
        {
            errors[k] = Value(Code(weights[k], scale, zero, scheme), scale, zero, scheme) - weights[k];
        }
    }

    /// <summary>What a code stands for.</summary>
    public static float Value(sbyte code, float scale, int zero, WeightScheme scheme) =>
        scheme.Kind == CodeKind.Float8 ? WeightQuantizer.FromFloat8((byte)code) * scale : (code - zero) * scale;
}

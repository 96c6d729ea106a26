using Octavo.Cpu.Panels;
using Octavo.Cpu.Simd;
using Octavo.Formats;

namespace Octavo.Cpu.Tests;

/// <summary>
/// A linear layer in plain C#, written from the definitions of the schemes and not from the kernels: quantizes weights
/// and activations and multiplies them, one number at a time.
/// </summary>
internal sealed class LinearTwin(LinearScheme scheme, float[][] weights)
{
    private readonly Dictionary<(float[] Row, int Start), (int[] Codes, float Scale, int Zero)> _codes = [];

    private int Group { get; } = scheme.Fit(weights[0].Length).GroupSize is > 0 and int group
        ? group
        : weights[0].Length;

    /// <summary>One row's results; sums of bfloat16 pairs come in double precision.</summary>
    public double[] Multiply(float[] x)
    {
        double[] y = new double[weights.Length];
        for (int feature = 0; feature < y.Length; feature++)
        {
            y[feature] = scheme.Integer ? Integers(weights[feature], x) : Floats(weights[feature], x);
        }

        return y;
    }

    private double Integers(float[] w, float[] x)
    {
        float y = 0;
        for (int start = 0; start < w.Length; start += Group)
        {
            (int[] wCodes, float wScale, int wZero) = Codes(w, start);
            (int[] xCodes, float xScale, int xZero) = InputsOf(x, start);
            int sum = 0;
            for (int k = 0; k < Group; k++)
            {
                sum += (wCodes[k] - wZero) * (xCodes[k] - xZero);
            }

            y = scheme.Grouped ? MathF.FusedMultiplyAdd(sum * wScale, xScale, y) : sum * wScale * xScale;
        }

        return y;
    }

    private double Floats(float[] w, float[] x)
    {
        float y = 0;
        double pairs = 0;
        for (int start = 0; start < w.Length; start += Group)
        {
            (int[] codes, float scale, int zero) = scheme.Scaled ? Codes(w, start) : ([], 1, 0);
            float sum = 0;
            for (int k = 0; k < Group; k++)
            {
                float weight = scheme.Weight switch
                {
                    WeightCode.Float32 => w[start + k],
                    WeightCode.BFloat16 => BFloat16(w[start + k]),
                    WeightCode.Float16 => (float)(Half)w[start + k],
                    WeightCode.Float8 => WeightQuantizer.FromFloat8((byte)codes[k]),
                    _ => codes[k] - zero,
                };
                sum = MathF.FusedMultiplyAdd(x[start + k], weight, sum);
                pairs += (double)weight * BFloat16(x[start + k]);
            }

            y = scheme.Grouped ? MathF.FusedMultiplyAdd(sum, scale, y) : scheme.Scaled ? sum * scale : sum;
        }

        return scheme.Input == InputCode.BFloat16 ? pairs : y;
    }

    // Each group is rounded once, for all rows, and each row's for all features.
    private (int[] Codes, float Scale, int Zero) Codes(float[] w, int start)
    {
        if (!_codes.TryGetValue((w, start), out var known))
        {
            _codes[(w, start)] = known = Codes(w[start..(start + Group)]);
        }

        return known;
    }

    private (int[] Codes, float Scale, int Zero) InputsOf(float[] x, int start)
    {
        if (!_codes.TryGetValue((x, start), out var known))
        {
            _codes[(x, start)] = known = InputCodes(x[start..(start + Group)]);
        }

        return known;
    }

    private (int[] Codes, float Scale, int Zero) Codes(float[] w)
    {
        if (scheme.Weight == WeightCode.Float8)
        {
            float largest = w.Max(Math.Abs) / 448f;
            return ([.. w.Select(v => (int)WeightQuantizer.ToFloat8(v / largest))], largest, 0);
        }

        int bits = scheme.Weight == WeightCode.Int4 ? 4 : 8;
        (int low, int high) = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1);
        float min = Math.Min(w.Min(), 0), max = Math.Max(w.Max(), 0);
        float scale = scheme.Asymmetric ? (max - min) / (high - low) : Math.Max(-min, max) / ((high - low) / 2f);
        int zero = scheme.Asymmetric ? Math.Clamp((int)MathF.Round(low - (min / scale)), low, high) : 0;
        return ([.. w.Select(v => Math.Clamp((int)MathF.Round(v / scale) + zero, low, high))], scale, zero);
    }

    private (int[] Codes, float Scale, int Zero) InputCodes(float[] x)
    {
        if (scheme.AsymmetricInput)
        {
            float min = Math.Min(x.Min(), 0), max = Math.Max(x.Max(), 0);
            float step = (max - min) / 255f;
            int zero = Math.Clamp((int)MathF.Round(-128 - (min / step)), -128, 127);
            return ([.. x.Select(v => Math.Clamp((int)MathF.Round(v * (1 / step)) + zero, -128, 127))], step, zero);
        }

        float most = x.Max(Math.Abs);
        return ([.. x.Select(v => (int)MathF.Round(v * (127f / most)))], most / 127f, 0);
    }

    private static float BFloat16(float value) => BitConverter.Int32BitsToSingle(BFloat16Element.Round(value) << 16);
}

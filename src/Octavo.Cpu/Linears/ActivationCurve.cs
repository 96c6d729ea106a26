using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Octavo.Cpu.Panels;
using Octavo.Cpu.Simd;
using Octavo.Models;

namespace Octavo.Cpu.Linears;

/// <summary>An activation, and the numbers that a learned one has.</summary>
/// <param name="Activation">Its formula.</param>
/// <param name="Positive">Of <see cref="Activation.XIelu"/>, α above 0.</param>
/// <param name="Negative">α elsewhere.</param>
internal readonly unsafe record struct ActivationCurve(Activation Activation, float Positive = 0, float Negative = 0)
{
    /// <summary>xIELU of numbers as they are stored: α₊ is the softplus of one, α₋ that of the other and 1/2.</summary>
    public static ActivationCurve XIelu(float positive, float negative) =>
        new(Activation.XIelu, Softplus(positive), 0.5f + Softplus(negative));

    private static float Softplus(float x) => (float)(x > 20 ? x : Math.Log(1 + Math.Exp(x)));

    /// <summary>
    /// The activation of a panel's sums in place; where they are a gate and what it gates, their product into the first
    /// half.
    /// </summary>
    /// <param name="sums">Finished sums, <c>[rows][32]</c>.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="gates">The first half of a row gates the second one.</param>
    public void Apply(float* sums, int rows, bool gates)
    {
        // One loop each: with all formulas in one, none has the registers it needs.
        switch (Activation)
        {
            case Activation.Silu:
                Apply(default(Silu), sums, rows, gates);
                break;
            case Activation.Relu:
                Apply(default(Relu), sums, rows, gates);
                break;
            case Activation.SquaredRelu:
                Apply(default(SquaredRelu), sums, rows, gates);
                break;
            case Activation.Gelu:
                Apply(default(Gelu), sums, rows, gates);
                break;
            case Activation.TanhGelu:
                Apply(default(TanhGelu), sums, rows, gates);
                break;
            case Activation.XIelu:
                Apply(new XIeluOf(Positive, Negative), sums, rows, gates);
                break;
            default:
                throw new UnreachableException($"{Activation}");
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Apply<TFormula>(TFormula formula, float* sums, int rows, bool gates)
        where TFormula : struct, IFormula
    {
        if (gates)
        {
            for (int row = 0; row < rows; row++, sums += PanelLayout.Width)
            {
                (formula.Of(Vector512.Load(sums)) * Vector512.Load(sums + 16)).Store(sums);
            }

            return;
        }

        for (int row = 0; row < rows; row++, sums += PanelLayout.Width)
        {
            formula.Of(Vector512.Load(sums)).Store(sums);
            formula.Of(Vector512.Load(sums + 16)).Store(sums + 16);
        }
    }

    private interface IFormula
    {
        Vector512<float> Of(Vector512<float> x);
    }

    private readonly struct Silu : IFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Of(Vector512<float> x) => x / (Vector512<float>.One + Exponential.OfMinus(x));
    }

    private readonly struct Relu : IFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Of(Vector512<float> x) => Vector512.Max(x, default);
    }

    private readonly struct SquaredRelu : IFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Of(Vector512<float> x) => Vector512.Max(x, default) * Vector512.Max(x, default);
    }

    private readonly struct Gelu : IFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Of(Vector512<float> x) => x * NormalDistribution(x);

        /// <summary>
        /// Φ(x), by the rational approximation of the error function (Abramowitz and Stegun 7.1.26), off by 1e−7.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<float> NormalDistribution(Vector512<float> x)
        {
            Vector512<float> z = Vector512.Abs(x) * 0.70710678f;
            Vector512<float> t = Vector512<float>.One / (Vector512<float>.One + (z * 0.3275911f));
            Vector512<float> p = (t * 1.061405429f) - Vector512.Create(1.453152027f);
            p = (p * t) + Vector512.Create(1.421413741f);
            p = (p * t) - Vector512.Create(0.284496736f);
            p = ((p * t) + Vector512.Create(0.254829592f)) * t;
            Vector512<float> tail = p * Exponential.OfMinus(z * z) * 0.5f;
            return Vector512.ConditionalSelect(
                Vector512.LessThan(x, Vector512<float>.Zero), tail, Vector512<float>.One - tail);
        }
    }

    private readonly struct TanhGelu : IFormula
    {
        // tanh(u) = 2 / (1 + e^−2u) − 1, so that (1 + tanh(u)) / 2 is a sigmoid.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Of(Vector512<float> x) =>
            x / (Vector512<float>.One
                + Exponential.OfMinus(x * 1.5957691216f * (Vector512<float>.One + (x * x * 0.044715f))));
    }

    private readonly struct XIeluOf(float positive, float negative) : IFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector512<float> Of(Vector512<float> x)
        {
            // As published, e^x is taken of no more than −1e−6.
            Vector512<float> below = (ExpM1(Vector512.Min(x, Vector512.Create(-1e-6f))) - x) * negative;
            Vector512<float> above = x * x * positive;
            return Vector512.ConditionalSelect(Vector512.GreaterThan(x, Vector512<float>.Zero), above, below)
                + (x * 0.5f);
        }

        /// <summary><c>e^x − 1</c> for x below 0: near 0 by its series, where the difference would lose all.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<float> ExpM1(Vector512<float> x)
        {
            Vector512<float> series = (x * (1f / 720)) + Vector512.Create(1f / 120);
            series = (series * x) + Vector512.Create(1f / 24);
            series = (series * x) + Vector512.Create(1f / 6);
            series = (series * x) + Vector512.Create(0.5f);
            series = ((series * x) + Vector512<float>.One) * x;
            return Vector512.ConditionalSelect(
                Vector512.LessThan(x, Vector512.Create(-0.35f)), Exponential.OfMinus(-x) - Vector512<float>.One,
                series);
        }
    }
}

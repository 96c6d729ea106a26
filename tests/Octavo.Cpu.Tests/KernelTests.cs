using System.Diagnostics;
using System.Runtime.Intrinsics;
using Octavo.Cpu.Linears;
using Octavo.Cpu.Simd;
using Octavo.Models;

namespace Octavo.Cpu.Tests;

/// <summary>
/// Every kernel against its twin in plain C#, on each instruction set, at odd lengths, on guard pages.
/// </summary>
public sealed unsafe class KernelTests
{
    public static TheoryData<string> Activations => [.. Enum.GetNames<Activation>()];

    [Fact]
    public void Selected_EnvironmentCap_IsTheWidestPath()
    {
        string? cap = Environment.GetEnvironmentVariable(ProcessorFeatures.Variable);
        ProcessorFeatures.Selected.ShouldBe(ProcessorFeatures.Cap(ProcessorFeatures.Supported, cap));
        ProcessorFeatures.Cap(InstructionSet.Avx512, null).ShouldBe(InstructionSet.Avx512);
        ProcessorFeatures.Cap(InstructionSet.Avx512, "AVX2").ShouldBe(InstructionSet.Avx2);
        ProcessorFeatures.Cap(InstructionSet.Avx2, "avx512vnni").ShouldBe(InstructionSet.Avx2);
        ProcessorFeatures.Cap(InstructionSet.Avx512, "portable").ShouldBe(InstructionSet.Portable);
        ProcessorFeatures.Cap(InstructionSet.Avx512Vnni, null)
            .ShouldBe(InstructionSet.Avx512Vnni, "matrix registers are taken only where they are asked for");
        ProcessorFeatures.Cap(InstructionSet.Avx512Vnni, "amx")
            .ShouldBe(ProcessorFeatures.Has(InstructionSet.Amx) ? InstructionSet.Amx : InstructionSet.Avx512Vnni);
        Should.Throw<Engine.EngineConfigurationException>(
            () => ProcessorFeatures.Cap(InstructionSet.Avx512, "mmx")).Message.ShouldContain("avx2");
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(1.00390625f)]
    [InlineData(1.01171875f)]
    [InlineData(-3.14159f)]
    [InlineData(1e-40f)]
    [InlineData(3.4e38f)]
    [InlineData(float.PositiveInfinity)]
    public void Round_Float_GivesTheNearestBFloat16TiesToEven(float value)
    {
        ushort bits = BFloat16Element.Round(value);
        double nearest = new[] { bits - 1, (int)bits, bits + 1 }
            .Select(b => (double)BitConverter.Int32BitsToSingle((ushort)b << 16))
            .Where(double.IsFinite).DefaultIfEmpty(double.PositiveInfinity)
            .MinBy(c => Math.Abs(c - value));
        double rounded = BitConverter.Int32BitsToSingle(bits << 16);
        (double.IsInfinity(rounded) || Math.Abs(rounded - value) <= Math.Abs(nearest - value)).ShouldBeTrue();
        if (value is 1.00390625f or 1.01171875f)
        {
            (bits & 1).ShouldBe(0, "a tie goes to the even neighbour");
        }
    }

    [Theory]
    [MemberData(nameof(Activations))]
    public void Activate_ARowOfSums_EqualsTheFormula(string name)
    {
        Activation activation = Enum.Parse<Activation>(name);
        float[] x = [-90f, -5f, -1f, -0.5f, -0f, 0f, 1e-3f, 0.5f, 1f, 2f, 3f, 5f, 10f, 20f, 50f, 90f];
        float[] gated = [.. x.Reverse()];
        using GuardedMemory plain = GuardedMemory.OfFloats([.. x, .. x]);
        using GuardedMemory gate = GuardedMemory.OfFloats([.. x, .. gated]);
        var curve = new ActivationCurve(activation, 0.75f, 1.25f);

        curve.Apply(plain.Floats, 1, gates: false);
        curve.Apply(gate.Floats, 1, gates: true);
        for (int i = 0; i < 16; i++)
        {
            double expected = Formula(activation, x[i]);
            double tolerance = 1e-6 * (1 + Math.Abs(expected));
            ((double)plain.Floats[i]).ShouldBe(expected, tolerance, $"{x[i]}");
            plain.Floats[i + 16].ShouldBe(plain.Floats[i]);
            gate.Floats[i].ShouldBe(plain.Floats[i] * gated[i]);
        }
    }

    private static double Formula(Activation activation, double x) => activation switch
    {
        Activation.Silu => x / (1 + Math.Exp(-x)),
        Activation.Relu => Math.Max(x, 0),
        Activation.SquaredRelu => Math.Max(x, 0) * Math.Max(x, 0),
        Activation.Gelu => x * NormalDistribution(x),
        Activation.TanhGelu => x / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
        Activation.XIelu => (0.5 * x) + (x > 0 ? 0.75 * x * x : 1.25 * (Math.Exp(Math.Min(x, -1e-6)) - 1 - x)),
        _ => throw new UnreachableException($"{activation}"),
    };

    // The density's integral, by Simpson's rule.
    private static double NormalDistribution(double x)
    {
        const int Steps = 4096;
        double width = Math.Clamp(x, -12, 12) / Steps;
        double sum = Enumerable.Range(0, Steps + 1).Sum(
            i => (i is 0 or Steps ? 1 : i % 2 == 0 ? 2 : 4) * Math.Exp(-(i * width) * (i * width) / 2));
        return 0.5 + (sum * width / 3 / Math.Sqrt(2 * Math.PI));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(64)]
    [InlineData(77)]
    public void RowKernels_AnyWidth_EqualTheirFormulas(int width)
    {
        var random = new Random(width);
        float[] x = Random(random, width);
        float[] w = Random(random, width);
        float[] b = Random(random, width);
        using GuardedMemory input = GuardedMemory.OfFloats(x);
        using GuardedMemory weight = GuardedMemory.OfFloats(w);
        using GuardedMemory bias = GuardedMemory.OfFloats(b);
        using var output = new GuardedMemory(width * sizeof(float));
        double meanSquare = x.Sum(v => (double)v * v) / width;
        double mean = x.Average(v => (double)v);
        double variance = x.Sum(v => (v - mean) * (v - mean)) / width;

        RowKernels.RmsNorm(input.Floats, weight.Floats, 1e-5f, output.Floats, width);
        Check(i => x[i] / Math.Sqrt(meanSquare + 1e-5) * w[i]);
        RowKernels.LayerNorm(input.Floats, weight.Floats, bias.Floats, 1e-5f, output.Floats, width);
        Check(i => ((x[i] - mean) / Math.Sqrt(variance + 1e-5) * w[i]) + b[i]);

        void Check(Func<int, double> expected)
        {
            for (int i = 0; i < width; i++)
            {
                ((double)output.Floats[i]).ShouldBe(expected(i), 1e-5 * (1 + Math.Abs(expected(i))));
            }
        }
    }

    private static float[] Random(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 4) - 2))];

}

using System.Runtime.Intrinsics;
using Octavo.Cpu.Kernels;
using Octavo.Cpu.Simd;
using Octavo.Models;

namespace Octavo.Cpu.Tests;

/// <summary>Every kernel against its twin in plain C#, on each instruction set, at odd lengths, on guard pages.</summary>
public sealed unsafe class KernelTests
{
    private const int Width = PackedPanels.Width;

    public static TheoryData<InstructionSet, bool> Paths()
    {
        var data = new TheoryData<InstructionSet, bool>();
        foreach (InstructionSet isa in Enum.GetValues<InstructionSet>().Where(i => i <= ProcessorFeatures.Selected))
        {
            data.Add(isa, false);
            data.Add(isa, true);
        }

        return data;
    }

    [Fact]
    public void Selected_EnvironmentCap_IsTheWidestPath()
    {
        string? cap = Environment.GetEnvironmentVariable(ProcessorFeatures.Variable);
        ProcessorFeatures.Selected.ShouldBe(ProcessorFeatures.Cap(ProcessorFeatures.Supported, cap));
        ProcessorFeatures.Cap(InstructionSet.Avx512, null).ShouldBe(InstructionSet.Avx512);
        ProcessorFeatures.Cap(InstructionSet.Avx512, "AVX2").ShouldBe(InstructionSet.Avx2);
        ProcessorFeatures.Cap(InstructionSet.Avx2, "avx512vnni").ShouldBe(InstructionSet.Avx2);
        ProcessorFeatures.Cap(InstructionSet.Avx512, "portable").ShouldBe(InstructionSet.Portable);
        Should.Throw<Engine.EngineConfigurationException>(() => ProcessorFeatures.Cap(InstructionSet.Avx512, "mmx")).Message.ShouldContain("avx2");
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public void Multiply_AnyShape_EqualsPlainLoopsBitForBit(InstructionSet isa, bool narrow)
    {
        var random = new Random(1);
        foreach (int inFeatures in new[] { 1, 2, 15, 16, 17, 64, 100 })
        {
            foreach (int rows in new[] { 0, 1, 2, 3, 4, 5, 7, 8, 9 })
            {
                float[] x = Random(random, rows * inFeatures);
                float[] w = Random(random, inFeatures * Width);
                float[] bias = Random(random, Width);
                using GuardedMemory panel = Store(w, narrow);
                using GuardedMemory input = GuardedMemory.OfFloats(x);
                using GuardedMemory offset = GuardedMemory.OfFloats(bias);
                using var output = new GuardedMemory(rows * Width * sizeof(float));
                MultiplyOn(isa, narrow)(panel.Pointer, offset.Floats, inFeatures, input.Floats, inFeatures, rows, output.Floats, Width);
                for (int r = 0; r < rows; r++)
                {
                    for (int c = 0; c < Width; c++)
                    {
                        float sum = 0;
                        for (int k = 0; k < inFeatures; k++)
                        {
                            sum = MathF.FusedMultiplyAdd(x[(r * inFeatures) + k], Stored(w[(k * Width) + c], narrow), sum);
                        }

                        output.Floats[(r * Width) + c].ShouldBe(sum + bias[c], $"{isa} in {inFeatures} rows {rows} at [{r}, {c}]");
                    }
                }
            }
        }
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
        RowKernels.Activate(Activation.Silu, input.Floats, weight.Floats, output.Floats, width);
        Check(i => x[i] / (1 + Math.Exp(-x[i])) * w[i]);
        RowKernels.Activate(Activation.Silu, null, input.Floats, output.Floats, width);
        Check(i => x[i] / (1 + Math.Exp(-x[i])));
        RowKernels.Activate(Activation.Relu, null, input.Floats, output.Floats, width);
        Check(i => Math.Max(x[i], 0));
        RowKernels.Activate(Activation.Relu, input.Floats, weight.Floats, output.Floats, width);
        Check(i => Math.Max(x[i], 0) * w[i]);

        void Check(Func<int, double> expected)
        {
            for (int i = 0; i < width; i++)
            {
                ((double)output.Floats[i]).ShouldBe(expected(i), 1e-5 * (1 + Math.Abs(expected(i))));
            }
        }
    }

    private static float Stored(float value, bool narrow) =>
        narrow ? BitConverter.Int32BitsToSingle(BFloat16Element.Round(value) << 16) : value;

    private static GuardedMemory Store(float[] values, bool narrow)
    {
        if (!narrow)
        {
            return GuardedMemory.OfFloats(values);
        }

        var memory = new GuardedMemory(values.Length * sizeof(ushort));
        for (int i = 0; i < values.Length; i++)
        {
            BFloat16Element.Store(values[i], memory.Pointer + (i * sizeof(ushort)));
        }

        return memory;
    }

    private static float[] Random(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 4) - 2))];

    private static delegate*<byte*, float*, int, float*, int, int, float*, int, void> MultiplyOn(InstructionSet isa, bool narrow) => (isa, narrow) switch
    {
        (InstructionSet.Avx512, false) => &PanelKernel<Vector512<float>, Simd512, Float32Element>.Multiply,
        (InstructionSet.Avx512, true) => &PanelKernel<Vector512<float>, Simd512, BFloat16Element>.Multiply,
        (InstructionSet.Avx2, false) => &PanelKernel<Vector256<float>, Simd256, Float32Element>.Multiply,
        (InstructionSet.Avx2, true) => &PanelKernel<Vector256<float>, Simd256, BFloat16Element>.Multiply,
        (_, false) => &PanelKernel<Vector128<float>, Simd128, Float32Element>.Multiply,
        _ => &PanelKernel<Vector128<float>, Simd128, BFloat16Element>.Multiply,
    };
}

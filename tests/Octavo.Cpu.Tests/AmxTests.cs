using Iced.Intel;
using Octavo.Cpu.Codegen;
using Octavo.Cpu.Linears;
using Octavo.Cpu.Panels;
using Octavo.Formats;

namespace Octavo.Cpu.Tests;

/// <summary>
/// Kernels for matrix registers, which this machine may not have: disassembled, and carried out instruction by
/// instruction.
/// </summary>
public sealed unsafe class AmxTests
{
    private static readonly LinearScheme[] Schemes =
    [
        new(WeightCode.Int8, InputCode.Int8, 128),
        new(WeightCode.Int8, InputCode.Int8, 96),
        new(WeightCode.Int8, InputCode.Int8, 32, Asymmetric: true),
        new(WeightCode.Int8, InputCode.Int8),
    ];

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0, 16)]
    [InlineData(1, 5)]
    [InlineData(2, 16)]
    [InlineData(3, 16)]
    [InlineData(3, 7)]
    public void Emit_EachScheme_DoesWhatTheTwinDoes(int index, int rows)
    {
        LinearScheme scheme = Schemes[index];
        const int inFeatures = 480;
        var random = new Random(index);
        var matrix = new Matrix([.. Enumerable.Range(0, 32).Select(_ => Row(random, inFeatures))]);
        using var panels = new PackedPanels(matrix, scheme, ByteDot.Bias(scheme, InstructionSet.Avx512Vnni));
        PanelLayout layout = panels.Layout;
        using var x = new ActivationBuffer(rows, [layout]);
        x.Begin(rows);
        float[][] inputs = [.. Enumerable.Range(0, rows).Select(_ => Row(random, inFeatures))];
        for (int r = 0; r < rows; r++)
        {
            fixed (float* row = inputs[r])
            {
                x.Store(layout, r, row);
            }
        }

        using var output = new GuardedMemory(rows * 32 * sizeof(float));
        var a = new TileArguments
        {
            Weights = panels.Panel(0),
            Input = x.Row(layout, 0),
            InputStride = layout.InputStride,
            Accumulators = output.Pointer,
            First = 1,
            Last = 1,
            Segments = scheme.Grouped ? layout.Segments : 1,
            Steps = layout.StepsPerSegment,
            Scales = x.Scales,
            Sums = x.NegatedSums,
            InputZeros = x.Zeros,
            ScaleStride = rows * sizeof(float),
        };
        var machine = new AmxInterpreter(Assemble(layout, rows));
        machine.Run(&a);

        var twin = new LinearTwin(scheme, [.. Enumerable.Range(0, 32).Select(matrix.Weights)]);
        for (int r = 0; r < rows; r++)
        {
            double[] expected = twin.Multiply(inputs[r]);
            for (int c = 0; c < 32; c++)
            {
                float actual = output.Floats[(r * 32) + c];
                actual.ShouldBe((float)expected[c], $"{scheme} at [{r}, {c}]");
            }
        }
    }

    [Fact]
    public void Emit_Disassembled_MultipliesEveryBlockOnceAndUsesNothingElse()
    {
        var layout = new PanelLayout(Schemes[0], 1024);
        var machine = new AmxInterpreter(Assemble(layout, 16));
        machine.Instructions.ShouldAllBe(i => !i.IsInvalid);
        machine.Instructions.Count(i => i.Mnemonic == Mnemonic.Tdpbsud)
            .ShouldBe(4, "two for whole blocks, two for the rest");
        machine.Instructions.Count(i => i.Mnemonic == Mnemonic.Ldtilecfg).ShouldBe(1);
        machine.Instructions.Count(i => i.Mnemonic == Mnemonic.Tilerelease).ShouldBe(1);
        machine.Instructions.SelectMany(i => i.CpuidFeatures).Distinct().ShouldBeSubsetOf(
        [
            CpuidFeature.X64, CpuidFeature.INTEL8086, CpuidFeature.INTEL386, CpuidFeature.INTEL186,
            CpuidFeature.AVX, CpuidFeature.AVX512F, CpuidFeature.AMX_TILE, CpuidFeature.AMX_INT8,
        ]);
    }

    private static byte[] Assemble(PanelLayout layout, int rows)
    {
        AmxTileEmitter.Takes(layout.Scheme).ShouldBeTrue();
        var assembler = new Assembler(64);
        new AmxTileEmitter(assembler, layout, rows).Emit();
        using var code = new MemoryStream();
        assembler.Assemble(new StreamCodeWriter(code), 0);
        return code.ToArray();
    }

    private static float[] Row(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 4) - 2))];

    private sealed class Matrix(float[][] weights) : MatrixSource
    {
        public override int Rows => weights.Length;

        public override int Columns => weights[0].Length;

        public override bool HasBias => false;

        public float[] Weights(int row) => weights[row];

        public override void ReadRow(int row, Span<float> destination) => weights[row].CopyTo(destination);

        public override void ReadBias(Span<float> destination) => throw new NotSupportedException();
    }
}

using System.Collections.Concurrent;
using Octavo.Cpu.Codegen;
using Octavo.Cpu.Linears;
using Octavo.Cpu.Panels;
using Octavo.Cpu.Simd;
using Octavo.Cpu.Threading;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Cpu.Tests;

/// <summary>Linear layers of every scheme on every instruction set, against their twin.</summary>
public sealed unsafe class LinearTests
{
    private static readonly LinearScheme[] Schemes =
    [
        new(WeightCode.Float32, InputCode.Float32),
        new(WeightCode.BFloat16, InputCode.Float32),
        new(WeightCode.BFloat16, InputCode.BFloat16),
        new(WeightCode.Float16, InputCode.Float32),
        new(WeightCode.Float8, InputCode.Float32),
        new(WeightCode.Float8, InputCode.Float32, 32),
        new(WeightCode.Int8, InputCode.Int8, 128),
        new(WeightCode.Int8, InputCode.Int8, 32, Asymmetric: true),
        new(WeightCode.Int8, InputCode.Int8),
        new(WeightCode.Int8, InputCode.Int8, Asymmetric: true, AsymmetricInput: true),
        new(WeightCode.Int4, InputCode.Int8, 128),
        new(WeightCode.Int4, InputCode.Int8, 32, Asymmetric: true),
        new(WeightCode.Int8, InputCode.Float32, 128),
        new(WeightCode.Int8, InputCode.Float32, 32, Asymmetric: true),
        new(WeightCode.Int4, InputCode.Float32, 128),
        new(WeightCode.Int4, InputCode.Float32, 32, Asymmetric: true),
        new(WeightCode.Int4, InputCode.Int8, int.MaxValue),
        new(WeightCode.Int4, InputCode.Float32, int.MaxValue, Asymmetric: true),
    ];

    // Every instruction set is held against the same numbers: they are computed for the first that asks.
    private static readonly ConcurrentDictionary<(int Scheme, int OutFeatures,
        int InFeatures), Lazy<double[][]>> s_products = new();

    public static TheoryData<string, int> Paths()
    {
        var data = new TheoryData<string, int>();
        foreach (InstructionSet isa
            in TestRunner.InstructionSets.Where(i => !(TestRunner.Emulated && i == InstructionSet.Portable)))
        {
            for (int scheme = 0; scheme < Schemes.Length; scheme++)
            {
                if (Schemes[scheme].Input != InputCode.BFloat16 || LinearScheme.HasBFloat16Dots(isa))
                {
                    data.Add($"{isa}", scheme);
                }
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public void Run_AnyShape_EqualsTheTwin(string kernels, int index)
    {
        InstructionSet isa = Enum.Parse<InstructionSet>(kernels);
        LinearScheme scheme = Schemes[index];
        var random = new Random(index);
        foreach ((int outFeatures,
            int inFeatures) in new[] { (1, 1), (32, 16), (33, 66), (70, 100), (31, 576), (96, 1030) })
        {
            float[][] weights = [.. Enumerable.Range(0, outFeatures).Select(_ => Row(random, inFeatures))];
            float[][] x = [.. Enumerable.Range(0, 29).Select(_ => Row(random, inFeatures))];
            float[] bias = Row(random, outFeatures);
            double[][] expected = s_products.GetOrAdd((index, outFeatures, inFeatures), _ => new Lazy<double[][]>(() =>
            {
                var twin = new LinearTwin(scheme, weights);
                return [.. x.Select(twin.Multiply)];
            })).Value;
            using var linear = new Linear(new Matrix(weights, bias), scheme, isa);
            foreach (int rows in new[] { 0, 1, 2, 3, 4, 5, 7, 11, 12, 13, 25, 29 })
            {
                float[] y = Run(linear, x[..rows], outFeatures, OutputMode.Store, workers: 1 + (rows % 3));
                for (int r = 0; r < rows; r++)
                {
                    for (int c = 0; c < outFeatures; c++)
                    {
                        // Nearly all are right: words are made only for those that are not.
                        float actual = y[(r * outFeatures) + c], wanted = (float)expected[r][c] + bias[c];
                        if (actual == wanted)
                        {
                            continue;
                        }

                        string where = $"{isa} {scheme}, {inFeatures} inputs, {rows} rows, at [{r}, {c}]";
                        if (scheme.Input == InputCode.BFloat16)
                        {
                            double magnitude = x[r].Zip(weights[c], (a, b) => Math.Abs(a * b)).Sum() + 1;
                            ((double)actual).ShouldBe(expected[r][c] + bias[c], 1e-6 * magnitude, where);
                        }
                        else
                        {
                            actual.ShouldBe(wanted, where);
                        }
                    }
                }
            }
        }
    }

    /// <summary>A tile's memory ends where a page that nobody may touch begins.</summary>
    [Theory]
    [MemberData(nameof(Paths))]
    public void Tile_OnGuardPages_ReadsAndWritesNoByteBeyond(string kernels, int index)
    {
        InstructionSet isa = Enum.Parse<InstructionSet>(kernels);
        LinearScheme scheme = Schemes[index];
        var random = new Random(index);
        float[][] weights = [.. Enumerable.Range(0, 32).Select(_ => Row(random, 100))];
        using var panels = new PackedPanels(new Matrix(weights, null), scheme, ByteDot.Bias(scheme, isa));
        PanelLayout layout = panels.Layout;
        int mostRows = isa == InstructionSet.Portable ? PortableTile.MostRows : TileKernels.For(isa, layout).MostRows;
        using GuardedMemory panel = Guarded(new ReadOnlySpan<byte>(panels.Panel(0), (int)layout.PanelBytes));
        for (int rows = 1; rows <= mostRows; rows++)
        {
            using var x = new ActivationBuffer(rows, [layout]);
            x.Begin(rows);
            for (int r = 0; r < rows; r++)
            {
                fixed (float* row = Row(random, 100))
                {
                    x.Store(layout, r, row);
                }
            }

            int rowBytes = layout.Segments * layout.InputSegmentBytes;
            using GuardedMemory input =
                Guarded(new ReadOnlySpan<byte>(x.Row(layout, 0), (int)((rows - 1) * layout.InputStride) + rowBytes));
            using GuardedMemory scales = Guarded(new ReadOnlySpan<byte>(x.Scales, layout.Segments * rows * 4));
            using GuardedMemory sums = Guarded(new ReadOnlySpan<byte>(x.NegatedSums, layout.Segments * rows * 4));
            using GuardedMemory zeros = Guarded(new ReadOnlySpan<byte>(x.Zeros, rows * 4));
            using var output = new GuardedMemory(rows * 32 * sizeof(float));
            var a = new TileArguments
            {
                Weights = panel.Pointer,
                Input = input.Pointer,
                InputStride = layout.InputStride,
                Accumulators = output.Pointer,
                First = 1,
                Last = 1,
                InputZeros = (int*)zeros.Pointer,
                Segments = scheme.Grouped ? layout.Segments : 1,
                Steps = layout.StepsPerSegment,
                Scales = scales.Floats,
                Sums = (int*)sums.Pointer,
                ScaleStride = rows * sizeof(float),
                Prefetch = panel.Pointer,
            };
            if (isa == InstructionSet.Portable)
            {
                PortableTile.Run(layout, ByteDot.Bias(scheme, isa), rows, &a);
            }
            else
            {
                TileKernels.For(isa, layout).Run(rows, &a);
            }

            new ReadOnlySpan<byte>(output.Pointer, rows * 32 * sizeof(float)).IndexOfAnyExcept((byte)0).ShouldNotBe(-1);
        }
    }

    [Fact]
    public void Run_EachOutputMode_DoesWhatItSays()
    {
        var random = new Random(3);
        float[][] gate = [.. Enumerable.Range(0, 40).Select(_ => Row(random, 64))];
        float[][] up = [.. Enumerable.Range(0, 40).Select(_ => Row(random, 64))];
        float[] gateBias = Row(random, 40);
        float[][] x = [.. Enumerable.Range(0, 14).Select(_ => Row(random, 64))];
        LinearScheme scheme = Schemes[0];
        using var plain = new Linear(new Matrix(gate, gateBias), scheme, ProcessorFeatures.Selected);
        using var upper = new Linear(new Matrix(up, null), scheme, ProcessorFeatures.Selected);
        using var woven = new Linear(
            new GatedMatrix(new Matrix(gate, gateBias), new Matrix(up, null)), scheme, ProcessorFeatures.Selected);
        float[] gates = Run(plain, x, 40, OutputMode.Store);
        float[] ups = Run(upper, x, 40, OutputMode.Store);
        float[] activated = Run(plain, x, 40, OutputMode.Activate);
        float[] gated = Run(woven, x, 40, OutputMode.Gate);
        float[] added = Run(plain, x, 40, OutputMode.Add, initial: 2f);
        for (int i = 0; i < gates.Length; i++)
        {
            double silu = gates[i] / (1 + Math.Exp(-gates[i]));
            ((double)activated[i]).ShouldBe(silu, 1e-5 * (1 + Math.Abs(silu)));
            ((double)gated[i]).ShouldBe(silu * ups[i], 1e-5 * (1 + Math.Abs(silu * ups[i])));
            added[i].ShouldBe(2f + gates[i]);
        }
    }

    /// <summary>
    /// Packing runs on several threads; whoever loads a model hears of a damaged file as if there were one.
    /// </summary>
    [Fact]
    public void New_SourceThatCannotBeRead_ThrowsWhatTheSourceThrew() =>
        Should.Throw<InvalidDataException>(() => new Linear(
            new Matrix([[1f], null!], null), new LinearScheme(WeightCode.Float32, InputCode.Float32),
            InstructionSet.Portable));

    /// <summary>
    /// A byte that is no number must not become one of the numbers that kernels make by shifting bits.
    /// </summary>
    [Fact]
    public void Run_Float8ByteThatIsNoNumber_SpoilsItsFeatureAloneOnEveryInstructionSet()
    {
        const int features = 40, inputs = 64;
        foreach (InstructionSet isa in TestRunner.InstructionSets)
        {
            using var linear = new Linear(
                new Float8Ones(features, inputs, spoilt: 33), new LinearScheme(WeightCode.Float8, InputCode.Float32),
                isa);
            float[] y = Run(linear, [[.. Enumerable.Repeat(1f, inputs)]], features, OutputMode.Store);
            for (int feature = 0; feature < features; feature++)
            {
                y[feature].ShouldBe(feature == 33 ? float.NaN : inputs, $"{isa}, feature {feature}");
            }
        }
    }

    /// <summary>
    /// Integers are exact and float32 sums are one chain; only pairs of bfloat16 exist on one instruction set alone.
    /// </summary>
    [Fact]
    public void Run_EachScheme_GivesTheSameBitsOnEveryInstructionSet()
    {
        var random = new Random(4);
        float[][] weights = [.. Enumerable.Range(0, 70).Select(_ => Row(random, 1030))];
        float[][] x = [.. Enumerable.Range(0, 140).Select(_ => Row(random, 1030))];
        foreach (LinearScheme scheme in Schemes.Where(s => s.Input != InputCode.BFloat16))
        {
            float[]? first = null;
            foreach (InstructionSet isa in TestRunner.InstructionSets)
            {
                using var linear = new Linear(new Matrix(weights, null), scheme, isa);
                float[] y = Run(linear, x, 70, OutputMode.Store);
                first ??= y;
                y.AsSpan().SequenceEqual(first).ShouldBeTrue($"{isa} {scheme}");
            }
        }
    }

    [Fact]
    public void ToFloat8_EveryNumberAndItsNeighbours_RoundsToTheNearestTiesToEven()
    {
        float[] numbers = [.. Enumerable.Range(0, 0x7F).Select(b => WeightQuantizer.FromFloat8((byte)b))];
        numbers[^1].ShouldBe(448f);
        numbers[1].ShouldBe(1f / 512);
        numbers[0x38].ShouldBe(1f);
        for (int i = 0; i < numbers.Length; i++)
        {
            WeightQuantizer.ToFloat8(numbers[i]).ShouldBe((byte)i);
            WeightQuantizer.ToFloat8(-numbers[i]).ShouldBe((byte)(i | 0x80));
            if (i + 1 < numbers.Length)
            {
                float middle = (numbers[i] + numbers[i + 1]) / 2;
                WeightQuantizer.ToFloat8(middle)
                    .ShouldBe((byte)(i % 2 == 0 ? i : i + 1), "a tie goes to the even neighbour");
                WeightQuantizer.ToFloat8(MathF.BitIncrement(middle)).ShouldBe((byte)(i + 1));
                WeightQuantizer.ToFloat8(MathF.BitDecrement(middle)).ShouldBe((byte)i);
            }
        }

        WeightQuantizer.ToFloat8(1e9f).ShouldBe((byte)0x7E);
        float.IsNaN(WeightQuantizer.FromFloat8(WeightQuantizer.ToFloat8(float.NaN))).ShouldBeTrue();
    }

    [Theory]
    [InlineData(128, 576, 96)]
    [InlineData(128, 2048, 128)]
    [InlineData(128, 64, 64)]
    [InlineData(128, 66, 66)]
    [InlineData(32, 131, 1)]
    [InlineData(0, 100, 0)]
    public void Fit_GroupThatDoesNotDivide_TakesTheLargestThatDoes(int asked, int inFeatures, int group) =>
        new LinearScheme(WeightCode.Int8, InputCode.Int8, asked).Fit(inFeatures).GroupSize.ShouldBe(group);

    internal static float[] Run(
        Linear linear, float[][] x, int width, OutputMode mode, int workers = 2, float initial = 0)
    {
        using var input = new ActivationBuffer(Math.Max(1, x.Length), [linear.Layout]);
        input.Begin(x.Length);
        for (int r = 0; r < x.Length; r++)
        {
            fixed (float* row = x[r])
            {
                input.Store(linear.Layout, r, row);
            }
        }

        using var output = new GuardedMemory(x.Length * width * sizeof(float));
        new Span<float>(output.Floats, x.Length * width).Fill(initial);
        using var team = new ThreadTeam(workers);
        team.Run(new Work(
            linear, input, x.Length,
            new LinearOutput(output.Floats, width, width, mode, new ActivationCurve(Activation.Silu))));
        return new ReadOnlySpan<float>(output.Floats, x.Length * width).ToArray();
    }

    private sealed class Work(Linear linear, ActivationBuffer input, int rows, LinearOutput output) : ITeamWork
    {
        public void Run(TeamMember member) => linear.Run(member, input, rows, output);
    }

    private static GuardedMemory Guarded(ReadOnlySpan<byte> bytes)
    {
        var memory = new GuardedMemory(bytes.Length);
        bytes.CopyTo(new Span<byte>(memory.Pointer, bytes.Length));
        return memory;
    }

    private static float[] Row(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 4) - 2))];

    private sealed class Matrix(float[][] weights, float[]? bias) : MatrixSource
    {
        public override int Rows => weights.Length;

        public override int Columns => weights[0].Length;

        public override bool HasBias => bias is not null;

        public override void ReadRow(int row, Span<float> destination) =>
            (weights[row] ?? throw new InvalidDataException($"row {row} is not there")).CopyTo(destination);

        public override void ReadBias(Span<float> destination) => bias.CopyTo(destination);
    }

    /// <summary>E4M3 ones, and one byte in one row that is no number.</summary>
    private sealed class Float8Ones(int rows, int columns, int spoilt) : MatrixSource
    {
        public override int Rows => rows;

        public override int Columns => columns;

        public override bool HasBias => false;

        public override LinearScheme? Stored => new(WeightCode.Float8, InputCode.Float32);

        public override void ReadCodes(int row, LinearScheme scheme, CodedRow coded)
        {
            coded.Codes.Fill(0x38);
            coded.Codes[7] = row == spoilt ? (sbyte)0x7F : coded.Codes[7];
            coded.Scales.Fill(1);
            coded.Zeros.Clear();
        }

        public override void ReadRow(int row, Span<float> destination) =>
            throw new InvalidOperationException("codes are asked for");

        public override void ReadBias(Span<float> destination) => throw new InvalidOperationException("there is none");
    }
}

using Octavo.Cpu.Linears;
using Octavo.Cpu.Panels;
using Octavo.Formats;

namespace Octavo.Cpu.Tests;

/// <summary>Activations that are quantized with a scale that was settled beforehand.</summary>
public sealed unsafe class StaticInputTests
{
    [Theory]
    [InlineData(0.03f, 0, 0, -128)]
    [InlineData(0.03f, -7, 0, -128)]
    [InlineData(0.01f, 0, 32, -127)]
    [InlineData(1e-12f, 100, 0, -128)]
    public void Store_AStoredScale_RoundsWithItAndCutsOff(float scale, int zero, int group, int least)
    {
        const int width = 96 + 17;
        int columns = group == 0 ? width : 96;
        var layout = new PanelLayout(
            new LinearScheme(WeightCode.Int8, InputCode.Int8, group, false, AsymmetricInput: group == 0), columns, null,
            new InputRange(scale, zero));
        var random = new Random(3);
        float[] x = [.. Enumerable.Range(0, columns)
            .Select(i => i == 5 ? 1000f : i == 6 ? -1000f : (float)((random.NextDouble() - 0.5) * 6))];
        using GuardedMemory values = GuardedMemory.OfFloats(x);
        using var buffer = new ActivationBuffer(2, [layout]);
        buffer.Begin(2);

        buffer.Store(layout, 1, values.Floats);

        for (int segment = 0; segment < layout.Segments; segment++)
        {
            sbyte* codes = (sbyte*)buffer.Row(layout, 1) + (segment * layout.InputSegmentBytes);
            int sum = 0;
            for (int k = 0; k < layout.Segment; k++)
            {
                float steps = MathF.Round(x[(segment * layout.Segment) + k] * (1 / scale));
                int expected = (int)Math.Clamp(steps + zero, least, 127d);
                ((int)codes[k]).ShouldBe(expected, $"input {k} of segment {segment}");
                sum += expected;
            }

            buffer.Scales[(segment * 2) + 1].ShouldBe(scale);
            buffer.NegatedSums[(segment * 2) + 1].ShouldBe(-sum);
        }

        buffer.Zeros[1].ShouldBe(zero);
    }

    /// <summary>
    /// Activations beyond the stored range meet every code, as the scheme that a stored range brings along multiplies
    /// them.
    /// </summary>
    [Fact]
    public void Run_InputsBeyondTheRange_GiveTheExactSumsOnEveryInstructionSet()
    {
        const int width = 77;
        var random = new Random(5);
        float[][] weights = [.. Enumerable.Range(0, 40)
            .Select(_ => Enumerable.Range(0, width).Select(_ => (float)random.Next(-127, 128)).ToArray())];
        float[] x = [.. Enumerable.Range(0, width).Select(i => i % 3 == 0 ? -1000f : random.Next(-128, 128))];
        float[] codes = [.. x.Select(v => Math.Max(v, -128f))];
        foreach (InstructionSet isa in TestRunner.InstructionSets)
        {
            using var linear = new Linear(
                new ClippedMatrix(weights), new LinearScheme(WeightCode.Int8, InputCode.Int8, AsymmetricInput: true),
                isa);
            linear.Layout.StaticInput.ShouldNotBeNull();
            float[] y = LinearTests.Run(linear, [x], weights.Length, OutputMode.Store);

            for (int row = 0; row < weights.Length; row++)
            {
                y[row].ShouldBe(weights[row].Zip(codes, (w, c) => w * c).Sum(), $"{isa}, row {row}");
            }
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Store_ARowWithNoNumber_GetsAScaleThatIsNone(float odd)
    {
        var layout =
            new PanelLayout(new LinearScheme(WeightCode.Int8, InputCode.Int8), 40, null, new InputRange(0.1f, 0));
        using var buffer = new ActivationBuffer(1, [layout]);
        buffer.Begin(1);
        float[] x = new float[40];
        x[17] = odd;
        fixed (float* values = x)
        {
            buffer.Store(layout, 0, values);
        }

        buffer.Scales[0].ShouldBe(float.NaN);
    }

    /// <summary>
    /// Layers that read the same activations are one, and have one range: that which holds all of theirs.
    /// </summary>
    [Fact]
    public void Join_SeveralRanges_HoldsThemAll()
    {
        InputRange.Join([null, null]).ShouldBeNull();
        InputRange.Join([new InputRange(0.5f, 3), new InputRange(0.5f, 3)]).ShouldBe(new InputRange(0.5f, 3));
        InputRange.Join([new InputRange(0.5f, 0), new InputRange(0.75f, 0)]).ShouldBe(new InputRange(0.75f, 0));

        // From −12.8 to 12.7, and from 0 to 25.5: together −12.8 to 25.5.
        InputRange joined = InputRange.Join([new InputRange(0.1f, 0), new InputRange(0.1f, -128)])!.Value;
        joined.Scale.ShouldBe(38.3f / 255, 1e-5f);
        joined.Zero.ShouldBe(-43);
    }

    /// <summary>Weights whose activations have a scale of one.</summary>
    private sealed class ClippedMatrix(float[][] weights) : MatrixSource
    {
        public override int Rows => weights.Length;

        public override int Columns => weights[0].Length;

        public override bool HasBias => false;

        public override InputRange? StaticInput => new InputRange(1, 0);

        public override LinearScheme? Stored => new(WeightCode.Int8, InputCode.Int8, AsymmetricInput: true);

        public override void ReadCodes(int row, LinearScheme scheme, CodedRow coded)
        {
            for (int k = 0; k < coded.Codes.Length; k++)
            {
                coded.Codes[k] = (sbyte)weights[row][k];
            }

            coded.Scales.Fill(1);
            coded.Zeros.Clear();
        }

        public override void ReadRow(int row, Span<float> destination) =>
            throw new InvalidOperationException("codes are asked for");

        public override void ReadBias(Span<float> destination) => throw new InvalidOperationException("there is none");
    }
}

using Octavo.Cpu.Linears;

namespace Octavo.Cpu.Tests;

/// <summary>Activations that are quantized with a scale that was settled beforehand.</summary>
public sealed unsafe class StaticInputTests
{
    [Theory]
    [InlineData(0.03f, 0, 0)]
    [InlineData(0.03f, -7, 0)]
    [InlineData(0.01f, 0, 32)]
    [InlineData(1e-12f, 100, 0)]
    public void Store_AStoredScale_RoundsWithItAndCutsOff(float scale, int zero, int group)
    {
        const int width = 96 + 17;
        int columns = group == 0 ? width : 96;
        var layout = new PanelLayout(
            new LinearScheme(WeightCode.Int8, InputCode.Int8, group, false, zero != 0), columns, null, new InputRange(scale, zero));
        var random = new Random(3);
        float[] x = [.. Enumerable.Range(0, columns).Select(i => i == 5 ? 1000f : (float)((random.NextDouble() - 0.5) * 6))];
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
                int expected = (int)Math.Clamp(steps + zero, -128d, 127d);
                ((int)codes[k]).ShouldBe(expected, $"input {k} of segment {segment}");
                sum += expected;
            }

            buffer.Scales[(segment * 2) + 1].ShouldBe(scale);
            buffer.NegatedSums[(segment * 2) + 1].ShouldBe(-sum);
        }

        buffer.Zeros[1].ShouldBe(zero);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Store_ARowWithNoNumber_GetsAScaleThatIsNone(float odd)
    {
        var layout = new PanelLayout(new LinearScheme(WeightCode.Int8, InputCode.Int8), 40, null, new InputRange(0.1f, 0));
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

    /// <summary>Layers that read the same activations are one, and have one range: that which holds all of theirs.</summary>
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
}

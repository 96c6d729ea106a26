namespace Octavo.Models.Tests;

// The expected numbers were computed in Python from the piecewise definition in transformers' modeling_rope_utils.
public sealed class RotaryPositionsTests
{
    [Fact]
    public void InverseFrequencies_Unscaled_ArePowersOfTheta()
    {
        new RotaryPositions(10000, null).InverseFrequencies(8)
            .ShouldBe([1.0, 0.1, 0.01, 0.001], tolerance: 1e-15);
    }

    [Fact]
    public void InverseFrequencies_Linear_DividesEach()
    {
        new RotaryPositions(10000, new LinearRopeScaling(4)).InverseFrequencies(16).ShouldBe(
            [
                0.25, 0.07905694150420949, 0.025, 0.007905694150420948,
                0.0025, 0.0007905694150420947, 0.00025, 7.905694150420948e-05,
            ],
            tolerance: 1e-16);
    }

    [Fact]
    public void InverseFrequencies_Llama3_KeepsBlendsAndDivides()
    {
        new RotaryPositions(10000, new Llama3RopeScaling(8, 1, 4, 64)).InverseFrequencies(16).ShouldBe(
            [
                1.0, 0.24438459943539834, 0.013042256043820465, 0.003952847075210474,
                0.00125, 0.00039528470752104737, 0.000125, 3.952847075210474e-05,
            ],
            tolerance: 1e-15);
    }

    [Fact]
    public void InverseFrequencies_Llama3WithLargeTheta_MatchesTheDefinition()
    {
        new RotaryPositions(500000, new Llama3RopeScaling(8, 1, 4, 64)).InverseFrequencies(16).ShouldBe(
            [
                1.0, 0.0794030091792082, 0.004700753866357992, 0.0009115830921521386,
                0.00017677669529663688, 3.428102195952591e-05, 6.647869871181236e-06, 1.2891731721515574e-06,
            ],
            tolerance: 1e-15);
    }

    /// <summary>The base is that of the longest sequence: here 10000 · (2 · 128 / 64 − 1)^(8 / 6).</summary>
    [Fact]
    public void InverseFrequencies_DynamicForALongerSequence_AreOfALargerBase()
    {
        var positions = new RotaryPositions(10000, new DynamicRopeScaling(2, 64));
        double theta = 10000 * Math.Pow(3, 8.0 / 6);

        positions.ForLength(64).InverseFrequencies(8).ShouldBe([1, 0.1, 0.01, 0.001], tolerance: 1e-12);
        positions.ForLength(128).InverseFrequencies(8).ShouldBe(
            [1, Math.Pow(theta, -0.25), Math.Pow(theta, -0.5), Math.Pow(theta, -0.75)], tolerance: 1e-12);
    }

    [Fact]
    public void InverseFrequencies_LongRope_DividesByTheFactorsOfItsLength()
    {
        var positions = new RotaryPositions(10000, new LongRopeScaling([1, 2, 1, 1], [4, 5, 8, 10], 64, 1.25));

        positions.AttentionFactor.ShouldBe(1.25);
        positions.ForLength(64).InverseFrequencies(8).ShouldBe([1, 0.05, 0.01, 0.001], tolerance: 1e-12);
        positions.ForLength(65).InverseFrequencies(8).ShouldBe([0.25, 0.02, 0.00125, 0.0001], tolerance: 1e-12);
    }

    [Fact]
    public void InverseFrequencies_Proportional_LeavesTheLastPairs()
    {
        new RotaryPositions(10000, new ProportionalRopeScaling(1, 2)).InverseFrequencies(8)
            .ShouldBe([0.5, 0, 0, 0], tolerance: 1e-12);
    }
}

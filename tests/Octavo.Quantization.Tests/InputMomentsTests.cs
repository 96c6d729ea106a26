using Octavo.Formats;
using Octavo.Quantization.Methods;
using Octavo.Testing;

namespace Octavo.Quantization.Tests;

public sealed class InputMomentsTests
{
    /// <summary>
    /// Against the sum itself, over rows: errors of inputs that share a block add up before they are squared.
    /// </summary>
    [Theory]
    [InlineData(96, 96, 0, 96)]
    [InlineData(96, 32, 0, 96)]
    [InlineData(96, 32, 32, 32)]
    [InlineData(96, 48, 16, 64)]
    [InlineData(70, 35, 0, 70)]
    [InlineData(7, 7, 2, 3)]
    public unsafe void MeanSquares_AnyRange_AreTheMeansOfTheBlocksSquares(int width, int block, int first, int count)
    {
        const int Rows = 50;
        var random = new Random(width + block);
        float[] x = [.. Enumerable.Range(0, Rows * width).Select(_ => random.NextSingle() - 0.3f)];
        float[] errors = [.. Enumerable.Range(0, InputMoments.AtOnce * count).Select(_ => random.NextSingle() - 0.5f)];
        float[] by = [.. Enumerable.Range(0, width).Select(_ => 0.5f + random.NextSingle())];
        var moments = new InputMoments(width, block);
        fixed (float* p = x)
        {
            moments.Add(p, 30);
            moments.Add(p + (30 * width), Rows - 30);
        }

        Check(k => 1);
        moments.Divide(by);
        Check(k => by[k]);

        void Check(Func<int, double> divisor)
        {
            double[] squares = new double[InputMoments.AtOnce];
            moments.MeanSquares(first, errors, squares);
            squares.ShouldBe(
                Enumerable.Range(0, InputMoments.AtOnce).Select(output => Expected(output * count, divisor)), 1e-5);
        }

        double Expected(int begin, Func<int, double> divisor)
        {
            double sum = 0;
            for (int row = 0; row < Rows; row++)
            {
                foreach (IGrouping<int, int> of in Enumerable.Range(first, count).GroupBy(k => k / block))
                {
                    double error = of.Sum(k => x[(row * width) + k] / divisor(k) * errors[begin + k - first]);
                    sum += error * error;
                }
            }

            return sum / Rows;
        }
    }

    [Theory]
    [InlineData("int4", false)]
    [InlineData("int4", true)]
    [InlineData("int8", true)]
    [InlineData("fp8", false)]
    public void Errors_AnyScheme_AreWhatRoundingAdds(string name, bool asymmetric)
    {
        WeightScheme scheme = Schemes.Named(name) with { Asymmetric = asymmetric };
        var random = new Random(3);
        float[] weights = [.. Enumerable.Range(0, 43).Select(_ => (random.NextSingle() - 0.4f) * 3)];
        (float scale, int zero) =
            Observer.Range(weights.Min() * 0.7f, weights.Max() * 0.7f, scheme, TensorType.BFloat16);
        float[] errors = new float[weights.Length];

        RoundToNearest.Errors(weights, scale, zero, scheme, errors);

        errors.ShouldBe(
            [.. weights.Select(
                w => RoundToNearest.Value(RoundToNearest.Code(w, scale, zero, scheme), scale, zero, scheme) - w)],
            1e-6);
    }

    /// <summary>What a step of AWQ costs for each weight does not grow with a layer's width.</summary>
    [Theory]
    [InlineData(256, 128)]
    [InlineData(576, 96)]
    [InlineData(4096, 128)]
    [InlineData(11008, 128)]
    [InlineData(80, 80)]
    public void ProductBlock_AnyWidth_DividesItAndStaysSmall(int width, int block) =>
        Awq.ProductBlock(width).ShouldBe(block);
}

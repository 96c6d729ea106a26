using Octavo.Quantization.Evaluation;
using Octavo.Testing;

namespace Octavo.Quantization.Tests;

public sealed class EvaluatorTests
{
    [Fact]
    public void Run_AgainstItself_FindsNoDifference()
    {
        using EvaluatedModel model = Bench.Load(Repository.TalesModel);
        using EvaluatedModel same = Bench.Load(Repository.TalesModel);

        ComparisonResult result = Evaluator.Run(model, same, Bench.Windows("valid.txt", 2)).Comparison!;

        result.MeanKl.Value.ShouldBe(0, 1e-9);
        result.Increase.Value.ShouldBe(0);
        result.Top1Agreement.ShouldBe(1);
        result.LayerErrors.ShouldBe([0, 0, 0, 0, 0]);
    }

    /// <summary>
    /// The float32 reference has the perplexity that an independent implementation found (models/tales/expected.json).
    /// </summary>
    [Fact]
    public void Run_FourBitsAgainstFloat32_FindsTheCostAndTheReferencesPerplexity()
    {
        using EvaluatedModel model = Bench.Load(Repository.TalesModel, "int4-weight");
        using EvaluatedModel reference = Bench.Load(Repository.TalesModel);

        EvaluationResult evaluation = Evaluator.Run(model, reference, Bench.Windows("valid.txt"));

        evaluation.ScoredTokens.ShouldBe(17245);
        ComparisonResult result = evaluation.Comparison!;

        // An independent simulation of the same rounding measured 1.31%.
        result.Increase.Value.ShouldBe(0.0131, 0.003);
        result.Perplexity.Value.ShouldBe(33.3884, 0.001);
        result.Perplexity.Low.ShouldBeInRange(25, 33);
        result.Perplexity.High.ShouldBeInRange(34, 45);
        result.MeanKl.Value.ShouldBeInRange(0.005, 0.05);
        result.Top1Agreement.ShouldBeInRange(0.85, 0.95);
        result.Worst.Kl.ShouldBe(result.Kl[^1], 1e-6);
        result.LayerErrors.ShouldAllBe(e => e > 0.01 && e < 0.3);
    }

    [Theory]
    [InlineData(10, 4, 3, new[] { 1, 1, 1 })]
    [InlineData(10, 4, 2, new[] { 1, 2, 2, 2 })]
    [InlineData(3, 8, 7, new[] { 1 })]
    [InlineData(1, 8, 7, new int[0])]
    public void Cut_AnyStride_ScoresEveryTokenButTheFirstOnce(int tokens, int length, int stride, int[] firstScored)
    {
        int[] ids = [.. Enumerable.Range(0, tokens)];

        IReadOnlyList<TextWindow> windows = TextWindow.Cut([ids], length, stride);

        windows.Select(w => w.FirstScored).ShouldBe(firstScored);
        windows.SelectMany(w => w.Ids[w.FirstScored..]).ShouldBe(ids.Skip(1));
    }

    [Fact]
    public void ClusteredMean_ValuesThatGoTogether_AreLessCertainThanTheyAreMany()
    {
        double[] values = [1, 1, 1, 1, 3, 3, 3, 3];

        Estimate alone = Evaluator.ClusteredMean([0, 1, 2, 3, 4, 5, 6, 7], values);
        Estimate together = Evaluator.ClusteredMean([0, 0, 0, 0, 1, 1, 1, 1], values);

        alone.Value.ShouldBe(2);
        together.Value.ShouldBe(2);
        (together.High - together.Low).ShouldBeGreaterThan(2 * (alone.High - alone.Low));

        // Two documents of means 1 and 3: the standard error of their mean is 1.
        (together.High - 2).ShouldBe(1.959964, 1e-6);
    }
}

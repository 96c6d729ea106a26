using Octavo.Formats;
using Octavo.Quantization.Methods;
using Octavo.Quantization.Planning;
using Octavo.Testing;

namespace Octavo.Quantization.Tests;

public sealed class PrecisionPlannerTests : IDisposable
{
    // Each choice measures each layer alone through all that follow.
    private readonly TalesVariant _model = new TalesVariant().WithLayers(2);

    // With whole ranges, as octavo quantize has it under a budget.
    private static readonly QuantizationRecipe FourBits = new()
    {
        Scheme = Schemes.Named("int4-weight") with { GroupSize = 128 },
        Observer = new Observer(ObserverKind.MinMax),
    };

    public void Dispose() => _model.Dispose();

    [Fact]
    public void Choose_ABudgetBetween_MixesSchemesWithinIt()
    {
        PrecisionPlan plan = Choose(0.006);

        plan.MeasuredLoss.ShouldBeLessThanOrEqualTo(0.006);
        plan.PredictedLoss.ShouldBeInRange(0.0001, 0.006);
        plan.CheapestFraction.ShouldBeInRange(0.05, 0.99);
        plan.Choices.Count.ShouldBe(8);
        plan.Choices.Sum(c => c.Loss).ShouldBe(Math.Log(1 + plan.PredictedLoss), 1e-9);
        plan.Choices.ShouldContain(c => c.Scheme == FourBits.Scheme);
        plan.Choices.ShouldContain(c => c.Scheme != null && c.Scheme.Bits == 8);
        plan.Choices.ShouldAllBe(c => c.Scheme == FourBits.Scheme || c.Loss < c.LossAtCheapest);
        plan.Recipe.Exceptions.Count.ShouldBe(plan.Choices.Count(c => c.Scheme != FourBits.Scheme));
    }

    [Fact]
    public void Choose_ABudgetThatAnythingMeets_TakesTheCheapestEverywhere() =>
        Choose(0.5).Recipe.Exceptions.ShouldBeEmpty();

    /// <summary>Eight bits cost something, too: where that is too much, layers stay as they are.</summary>
    [Fact]
    public void Choose_ABudgetThatNotEvenEightBitsMeet_LeavesLayersAlone()
    {
        PrecisionPlan plan = Choose(1e-7);

        plan.MeasuredLoss.ShouldBeLessThanOrEqualTo(1e-7);
        plan.Choices.ShouldContain(c => c.Scheme == null);
    }

    private PrecisionPlan Choose(double maxLoss) =>
        PrecisionPlanner.Choose(ModelSource.Open(_model.Path), FourBits, QuantizerTests.Calibration(2, 128), maxLoss);
}

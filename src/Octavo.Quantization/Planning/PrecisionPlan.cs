using Octavo.Formats;
using Octavo.Quantization.Methods;

namespace Octavo.Quantization.Planning;

/// <summary>What was chosen for the matrices of a layer that share an input.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Matrices">Which of its matrices, in words.</param>
/// <param name="Weights">Weights in them.</param>
/// <param name="Scheme">What they become; null leaves them as they are.</param>
/// <param name="Loss">By how much that is expected to raise the perplexity, as a fraction.</param>
/// <param name="LossAtCheapest">By how much the cheapest scheme would.</param>
internal sealed record PrecisionChoice(
    int Layer, string Matrices, long Weights, WeightScheme? Scheme, double Loss, double LossAtCheapest);

/// <summary>A scheme for every layer, within a budget of quality.</summary>
/// <param name="Recipe">The recipe that carries it out.</param>
/// <param name="Choices">What was chosen.</param>
/// <param name="PredictedLoss">The sum of what each choice costs: the expected increase of perplexity, as a
/// fraction.</param>
/// <param name="MeasuredLoss">The increase on the calibration text, each half quantized with what was learnt on the
/// other.</param>
internal sealed record PrecisionPlan(
    QuantizationRecipe Recipe, IReadOnlyList<PrecisionChoice> Choices, double PredictedLoss, double MeasuredLoss)
{
    /// <summary>The fraction of the layers' weights that became the recipe's own, cheapest scheme.</summary>
    public double CheapestFraction =>
        (double)Choices.Where(c => c.Scheme == Recipe.Scheme).Sum(c => c.Weights) / Choices.Sum(c => c.Weights);
}

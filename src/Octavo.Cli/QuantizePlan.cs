using Octavo.Formats;
using Octavo.Quantization;

namespace Octavo.Cli;

internal static class QuantizePlan
{
    public static QuantizationRecipe Choose(ModelDirectory directory, QuantizationRecipe recipe, CalibrationSet calibration, double loss, CancellationToken c) => throw new NotSupportedException($"{directory}{recipe}{calibration}{loss}{c}");
}

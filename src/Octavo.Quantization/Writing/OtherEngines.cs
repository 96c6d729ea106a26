using Octavo.Formats;
using Octavo.Formats.Stored;
using Octavo.Quantization.Methods;

namespace Octavo.Quantization.Writing;

/// <summary>Which other engines load what was written, as far as it was tried.</summary>
internal static class OtherEngines
{
    private const string Tried = "vLLM 0.32 (CPU)";

    /// <summary>What to expect of a checkpoint with these schemes.</summary>
    /// <param name="recipe">What it was written by, its group settled.</param>
    public static string Verdict(QuantizationRecipe recipe)
    {
        WeightScheme scheme = recipe.Scheme;
        bool plain = recipe.Head is null && recipe.Exceptions.Count == 0 && !scheme.Asymmetric;
        bool weightOnly = scheme.Activations == StoredActivations.Plain;
        return (scheme.Kind, scheme.Bits, weightOnly, scheme.GroupSize) switch
        {
            _ when !plain => "not tried",
            (CodeKind.Integer, 4, true, 64) => $"{Tried} loads this form, with equal text",
            (CodeKind.Integer, 8, false, 0) => $"{Tried} loads this form",
            (CodeKind.Integer, 8, _, 96 or 128) => $"{Tried} does not load this form",
            (CodeKind.Integer, _, _, not 0) when !GroupSizes.IsUsual(scheme.GroupSize) =>
                "none that we know of: they have kernels for groups of 128, 64 and 32",
            (CodeKind.Float8, _, _, _) => $"{Tried} does not load this form",
            _ => "not tried",
        };
    }
}

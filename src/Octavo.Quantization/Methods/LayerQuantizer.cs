using System.Diagnostics;
using Octavo.Quantization.Workbench;

namespace Octavo.Quantization.Methods;

/// <summary>Applies a recipe to one layer.</summary>
internal static class LayerQuantizer
{
    /// <summary>Of how many neighbouring inputs a recipe needs the products of all pairs.</summary>
    public static int ProductBlock(QuantizationRecipe recipe, int width) => recipe.Method switch
    {
        QuantizationMethod.Gptq => width,
        QuantizationMethod.Awq => Awq.ProductBlock(width),
        QuantizationMethod.Rtn or QuantizationMethod.SmoothQuant => 0,
    };

    /// <summary>Smooths a layer, in place, and codes its matrices.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="moments">What its matrices are given, by the linear layers' names; empty where the method needs
    /// none.</param>
    /// <param name="recipe">How.</param>
    /// <returns>The coded matrices by module; those that are left alone are missing.</returns>
    public static Dictionary<string, CodedMatrix> Run(
        LayerUnderWork layer, IReadOnlyDictionary<string, InputMoments> moments, QuantizationRecipe recipe)
    {
        foreach (PartUnderWork part in layer.Parts)
        {
            switch (recipe.Method)
            {
                case QuantizationMethod.SmoothQuant:
                    Smoothing.SmoothQuant(part, moments, recipe.SmoothingStrength);
                    break;
                case QuantizationMethod.Awq:
                    recipe.Awq.Scale(part, moments, role => recipe.SchemeOf(layer.Index, role));
                    break;
                case QuantizationMethod.Rtn or QuantizationMethod.Gptq:
                    break;
                default:
                    throw new UnreachableException($"{recipe.Method}");
            }
        }

        Dictionary<string, CodedMatrix> coded = [];
        foreach (LinearUnderWork linear in layer.Linears)
        {
            if (recipe.SchemeOf(layer.Index, linear.Spec.Role) is not { } scheme)
            {
                continue;
            }

            foreach (FloatMatrix matrix in linear.Matrices)
            {
                coded[matrix.Module] = recipe.Method switch
                {
                    QuantizationMethod.Gptq =>
                        recipe.Gptq.Quantize(matrix, moments[linear.Spec.Name], scheme, recipe.Observer),
                    QuantizationMethod.Awq =>
                        recipe.Awq.Quantize(matrix, moments[linear.Spec.Name], scheme, recipe.Observer),
                    QuantizationMethod.Rtn or QuantizationMethod.SmoothQuant =>
                        RoundToNearest.Quantize(matrix, scheme, recipe.Observer),
                };
            }
        }

        return coded;
    }
}

using Octavo.Quantization.Methods;

namespace Octavo.Quantization;

/// <summary>Applies a recipe to one layer.</summary>
internal static class LayerQuantizer
{
    /// <summary>Of how many neighbouring inputs a recipe needs the products of all pairs.</summary>
    public static int ProductBlock(QuantizationRecipe recipe, int width) => recipe.Method switch
    {
        QuantizationMethod.Gptq => width,
        QuantizationMethod.Awq => Awq.ProductBlock(width),
        _ => 0,
    };

    /// <summary>Smooths a layer, in place, and codes its matrices.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="moments">What its matrices are given; empty where the method needs none.</param>
    /// <param name="recipe">How.</param>
    /// <returns>The coded matrices by module; those that are left alone are missing.</returns>
    public static Dictionary<string, CodedMatrix> Run(
        LayerUnderWork layer, IReadOnlyDictionary<LinearRole, InputMoments> moments, QuantizationRecipe recipe)
    {
        if (recipe.Method == QuantizationMethod.SmoothQuant && Smoothing.CanFold(layer.Spec))
        {
            Smoothing.SmoothQuant(layer, moments, recipe.SmoothingStrength);
        }
        else if (recipe.Method == QuantizationMethod.Awq)
        {
            recipe.Awq.Scale(layer, moments, m => recipe.SchemeOf(layer.Index, layer.Stacks.First(s => s.Value.Contains(m)).Key));
        }

        Dictionary<string, CodedMatrix> coded = [];
        foreach ((LinearRole role, FloatMatrix[] stack) in layer.Stacks)
        {
            if (recipe.SchemeOf(layer.Index, role) is not { } scheme)
            {
                continue;
            }

            for (int i = 0; i < stack.Length; i++)
            {
                FloatMatrix matrix = stack[i];
                coded[matrix.Module] = recipe.Method switch
                {
                    QuantizationMethod.Gptq => recipe.Gptq.Quantize(matrix, moments[role], scheme, recipe.Observer),
                    QuantizationMethod.Awq => recipe.Awq.Quantize(
                        matrix, moments[role], scheme, recipe.Observer, mayClip: !(role == LinearRole.QueryKeyValue && i < 2)),
                    _ => RoundToNearest.Quantize(matrix, scheme, recipe.Observer),
                };
            }
        }

        return coded;
    }
}

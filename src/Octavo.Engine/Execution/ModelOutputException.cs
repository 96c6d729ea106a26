namespace Octavo.Engine;

/// <summary>
/// The model computed what no answer can be made of: its weights, or the arithmetic over them, are at fault.
/// </summary>
public sealed class ModelOutputException(string message) : Exception(message)
{
    /// <summary>Throws where the greatest logit of a row is none that a token can be drawn by.</summary>
    internal static void ThrowUnlessFinite(float max, int position)
    {
        if (!float.IsFinite(max))
        {
            throw new ModelOutputException(
                $"the model computed logits that are not finite (the greatest after token {position} is {max}): "
                + "its weights are damaged, or their type is too narrow");
        }
    }
}

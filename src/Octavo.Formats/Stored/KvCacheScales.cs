using System.Globalization;

namespace Octavo.Formats.Stored;

/// <summary>The scales that a checkpoint stores for the E4M3 keys and values of an attention module.</summary>
internal static class KvCacheScales
{
    private static readonly TensorType[] Types = [TensorType.Float32, TensorType.Float16, TensorType.BFloat16];

    /// <summary>Reads an attention module's scales; each is 1 where none is stored.</summary>
    /// <param name="checkpoint">The tensors.</param>
    /// <param name="module">The module's name, such as <c>model.layers.0.self_attn</c>.</param>
    /// <remarks>
    /// Names: compressed-tensors, <c>quantization/lifecycle/initialize.py</c>; and those that it gave earlier, the
    /// scales of the projections' outputs.
    /// </remarks>
    /// <exception cref="CheckpointException">A scale is no single number above 0.</exception>
    public static (float Key, float Value) Read(ITensorSet checkpoint, string module)
    {
        return (Find(checkpoint, NamesOf(module)[..2]), Find(checkpoint, NamesOf(module)[2..]));
    }

    /// <summary>The names that an attention module's scales may have: two of the keys', two of the values'.</summary>
    /// <param name="module">The module's name.</param>
    public static string[] NamesOf(string module) =>
        [$"{module}.k_scale", $"{module}.k_proj.output_scale", $"{module}.v_scale", $"{module}.v_proj.output_scale"];

    private static float Find(ITensorSet checkpoint, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (!checkpoint.TryGet(name, out Tensor? tensor))
            {
                continue;
            }

            if (!Types.Contains(tensor.Type) || tensor.ElementCount != 1)
            {
                throw new CheckpointException(
                    tensor.File, name, $"expected one number of F32, F16 or BF16, the scale of a whole layer; found "
                        + $"{tensor.Type.Name()} [{string.Join(", ", tensor.Shape)}]");
            }

            Span<float> scale = stackalloc float[1];
            PackedTensors.Floats(tensor, 0, scale);
            return float.IsFinite(scale[0]) && scale[0] > 0
                ? scale[0]
                : throw new CheckpointException(
                    tensor.File, name,
                    string.Create(CultureInfo.InvariantCulture, $"is {scale[0]}; a scale must be above 0"));
        }

        return 1;
    }
}

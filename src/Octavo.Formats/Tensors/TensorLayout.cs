namespace Octavo.Formats;

/// <summary>The size of a tensor, computed without trusting its shape.</summary>
internal static class TensorLayout
{
    /// <summary>Counts elements and bytes; returns what is wrong with the shape, or null.</summary>
    public static string? Measure(TensorType type, ReadOnlySpan<long> shape, out long elements, out long bytes)
    {
        elements = 1;
        bytes = 0;
        foreach (long dimension in shape)
        {
            if (dimension < 0)
            {
                return FormattableString.Invariant($"shape holds {dimension}; a dimension is 0 or more");
            }

            if (Math.BigMul(elements, dimension, out elements) != 0 || elements < 0)
            {
                return $"shape {Describe(shape)} has more elements than 64 bits can count";
            }
        }

        (int blockElements, int blockBytes) = (type.BlockElements(), type.BlockBytes());
        if (elements > long.MaxValue / 8 / blockBytes)
        {
            return $"shape {Describe(shape)} of {type.Name()} has more bits than 64 bits can count";
        }

        if (elements % blockElements != 0)
        {
            return $"{elements} elements of {type.Name()} ({blockBytes * 8.0 / blockElements} bits each) are not a "
                + "whole number of bytes";
        }

        bytes = type.BytesOf(elements);
        return null;
    }

    public static string Describe(ReadOnlySpan<long> shape)
    {
        const int Shown = 16;
        string head = string.Join(", ", shape[..Math.Min(shape.Length, Shown)].ToArray());
        return shape.Length > Shown ? $"[{head}, ... {shape.Length} dimensions]" : $"[{head}]";
    }
}

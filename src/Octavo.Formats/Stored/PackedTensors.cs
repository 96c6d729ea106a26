using System.Runtime.InteropServices;

namespace Octavo.Formats.Stored;

/// <summary>
/// Reads the tensors that quantized matrices are made of, and complains of those that are not as they should be.
/// </summary>
internal static class PackedTensors
{
    /// <summary>The tensor of a name, of one of some types and of a shape.</summary>
    public static Tensor Require(
        ITensorSet checkpoint, string name, ReadOnlySpan<TensorType> types, params ReadOnlySpan<long> shape)
    {
        Tensor tensor = checkpoint.Get(name);
        if (!types.Contains(tensor.Type))
        {
            throw new CheckpointException(
                tensor.File, name, $"expected type {string.Join(" or ", types.ToArray().Select(t => t.Name()))}, "
                    + $"found {tensor.Type.Name()}");
        }

        return tensor.Shape.SequenceEqual(shape.ToArray())
            ? tensor
            : throw WrongShape(tensor, string.Join(", ", shape.ToArray()));
    }

    /// <summary>The error of a tensor whose shape is not what the configuration implies.</summary>
    public static CheckpointException WrongShape(Tensor tensor, string expected) => new(
        tensor.File, tensor.Name, $"expected shape [{expected}] as the quantization's configuration implies, found "
            + $"[{string.Join(", ", tensor.Shape)}]");

    /// <summary>All integers of a tensor of I32 or I64.</summary>
    public static int[] Integers(Tensor tensor)
    {
        ReadOnlySpan<byte> bytes = tensor.Bytes(0, checked((int)tensor.ByteLength));
        return tensor.Type == TensorType.Int64
            ? [.. MemoryMarshal.Cast<byte, long>(bytes).ToArray().Select(v => checked((int)v))]
            : MemoryMarshal.Cast<byte, int>(bytes).ToArray();
    }

    /// <summary>Some floats of a tensor.</summary>
    public static void Floats(Tensor tensor, long first, Span<float> destination)
    {
        int size = tensor.Type.BitsPerElement() / 8;
        ElementConversion.ToFloat32(tensor.Type, tensor.Bytes(first * size, destination.Length * size), destination);
    }

    /// <summary>One 32-bit word of a tensor.</summary>
    public static unsafe uint Word(Tensor tensor, long index) => ((uint*)tensor.Pointer)[index];

    /// <summary>
    /// Checks which group each input is in, <c>[in]</c>; null where groups follow one another. compressed-tensors makes
    /// the tensor of −1 and fills it only where groups do not: with one left, it was never filled.
    /// </summary>
    public static int[]? GroupIndex(Tensor tensor, int groupSize, int groups)
    {
        int[] index = Integers(tensor);
        if (index.Contains(-1))
        {
            return null;
        }

        bool inOrder = true;
        for (int k = 0; k < index.Length; k++)
        {
            if (index[k] < 0 || index[k] >= groups)
            {
                throw new CheckpointException(
                    tensor.File, tensor.Name,
                    FormattableString.Invariant($"puts input {k} into group {index[k]}; there are {groups}"));
            }

            inOrder &= index[k] == k / groupSize;
        }

        return inOrder ? null : index;
    }
}

using System.Buffers.Binary;
using System.Diagnostics;
using Octavo.Formats;

namespace Octavo.Quantization.Workbench;

/// <summary>Floats in the type that a checkpoint stores them in.</summary>
internal static class StoredNumbers
{
    /// <summary>The nearest number of a type, ties to even.</summary>
    public static float Round(float value, TensorType type) => type switch
    {
        TensorType.BFloat16 => BitConverter.UInt32BitsToSingle((uint)BFloat16Bits(value) << 16),
        TensorType.Float16 => (float)(Half)value,
        TensorType.Float32 or TensorType.Float64 => value,
        _ => throw Unknown(type),
    };

    /// <summary>Little-endian bytes of numbers that are of the type already.</summary>
    public static byte[] Bytes(ReadOnlySpan<float> values, TensorType type)
    {
        byte[] bytes = new byte[(long)values.Length * type.BitsPerElement() / 8];
        for (int i = 0; i < values.Length; i++)
        {
            switch (type)
            {
                case TensorType.BFloat16:
                    BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(i * 2), BFloat16Bits(values[i]));
                    break;
                case TensorType.Float16:
                    BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(i * 2), (Half)values[i]);
                    break;
                case TensorType.Float32:
                    BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * 4), values[i]);
                    break;
                case TensorType.Float64:
                    BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(i * 8), values[i]);
                    break;
                default:
                    throw Unknown(type);
            }
        }

        return bytes;
    }

    // Weights of other types were refused when they were read.
    private static UnreachableException Unknown(TensorType type) => new($"{type}");

    private static ushort BFloat16Bits(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value)
            ? (ushort)((bits >> 16) | 0x40)
            : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}

using System.Runtime.CompilerServices;

namespace Octavo.Cpu.Simd;

/// <summary>
/// How a number is stored in a weight panel or in the key-value cache; arithmetic is float32 throughout.
/// </summary>
internal unsafe interface IElement
{
    static abstract int Size { get; }

    static abstract void Store(float value, byte* destination);
}

internal readonly unsafe struct Float32Element : IElement
{
    public static int Size => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float value, byte* destination) => *(float*)destination = value;
}

internal readonly unsafe struct BFloat16Element : IElement
{
    public static int Size => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float value, byte* destination) => *(ushort*)destination = Round(value);

    /// <summary>The nearest bfloat16, ties to even; a NaN stays a (quiet) NaN.</summary>
    public static ushort Round(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value)
            ? (ushort)((bits >> 16) | 0x40)
            : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}

internal readonly unsafe struct Float16Element : IElement
{
    public static int Size => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float value, byte* destination) => *(Half*)destination = (Half)value;
}

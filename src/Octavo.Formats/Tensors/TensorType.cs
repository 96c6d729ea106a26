namespace Octavo.Formats;

/// <summary>
/// The element types of the safetensors format, ordered by increasing size as its reference implementation orders them
/// (https://github.com/huggingface/safetensors), and behind them the block types of GGUF (<see cref="BlockFormat"/>).
/// </summary>
internal enum TensorType
{
    /// <summary>One byte per truth value.</summary>
    Bool,

    /// <summary>4-bit float (OCP MX E2M1), two to a byte.</summary>
    Float4,

    /// <summary>6-bit float, 2 exponent and 3 mantissa bits (OCP MX), four to three bytes.</summary>
    Float6E2M3,

    /// <summary>6-bit float, 3 exponent and 2 mantissa bits (OCP MX), four to three bytes.</summary>
    Float6E3M2,

    /// <summary>Unsigned byte.</summary>
    UInt8,

    /// <summary>Signed byte.</summary>
    Int8,

    /// <summary>8-bit float, 5 exponent and 2 mantissa bits (arXiv 2209.05433).</summary>
    Float8E5M2,

    /// <summary>8-bit float, 4 exponent and 3 mantissa bits, no infinities (arXiv 2209.05433).</summary>
    Float8E4M3,

    /// <summary>8-bit power of two, the scale type of OCP MX.</summary>
    Float8E8M0,

    /// <summary>8-bit float E4M3 with one NaN and no negative zero (AMD).</summary>
    Float8E4M3Fnuz,

    /// <summary>8-bit float E5M2 with one NaN, no infinities and no negative zero (AMD).</summary>
    Float8E5M2Fnuz,

    /// <summary>Signed 16-bit integer.</summary>
    Int16,

    /// <summary>Unsigned 16-bit integer.</summary>
    UInt16,

    /// <summary>IEEE half precision.</summary>
    Float16,

    /// <summary>The upper half of an IEEE single: 8 exponent and 7 mantissa bits.</summary>
    BFloat16,

    /// <summary>Signed 32-bit integer.</summary>
    Int32,

    /// <summary>Unsigned 32-bit integer.</summary>
    UInt32,

    /// <summary>IEEE single precision.</summary>
    Float32,

    /// <summary>Complex number of two IEEE singles.</summary>
    Complex64,

    /// <summary>IEEE double precision.</summary>
    Float64,

    /// <summary>Signed 64-bit integer.</summary>
    Int64,

    /// <summary>Unsigned 64-bit integer.</summary>
    UInt64,

    /// <summary>Four bits, a scale for 32.</summary>
    Q40,

    /// <summary>Four bits, a scale and a minimum for 32.</summary>
    Q41,

    /// <summary>Five bits, a scale for 32.</summary>
    Q50,

    /// <summary>Five bits, a scale and a minimum for 32.</summary>
    Q51,

    /// <summary>Eight bits, a scale for 32.</summary>
    Q80,

    /// <summary>Two bits, scales and minimums of four bits for 16 of 256.</summary>
    Q2K,

    /// <summary>Three bits, scales of six bits for 16 of 256.</summary>
    Q3K,

    /// <summary>Four bits, scales and minimums of six bits for 32 of 256.</summary>
    Q4K,

    /// <summary>Five bits, scales and minimums of six bits for 32 of 256.</summary>
    Q5K,

    /// <summary>Six bits, scales of eight bits for 16 of 256.</summary>
    Q6K,

    /// <summary>Eight numbers of a codebook of 2,048, scales for 32 of 256.</summary>
    IQ1S,

    /// <summary>Eight numbers of a codebook of 2,048, scales for 16 of 256.</summary>
    IQ1M,

    /// <summary>Eight numbers of a codebook of 256, scales for 32 of 256.</summary>
    IQ2Xxs,

    /// <summary>Eight numbers of a codebook of 512, scales for 16 of 256.</summary>
    IQ2Xs,

    /// <summary>Eight numbers of a codebook of 1,024, scales for 16 of 256.</summary>
    IQ2S,

    /// <summary>Four numbers of a codebook of 256, scales for 32 of 256.</summary>
    IQ3Xxs,

    /// <summary>Four numbers of a codebook of 512, scales for 32 of 256.</summary>
    IQ3S,

    /// <summary>One of 16 uneven steps, a scale for 32.</summary>
    IQ4Nl,

    /// <summary>One of 16 uneven steps, scales of six bits for 32 of 256.</summary>
    IQ4Xs,

    /// <summary>−1, 0 or 1, five to a byte, a scale for 256.</summary>
    TQ10,

    /// <summary>−1, 0 or 1 in two bits, a scale for 256.</summary>
    TQ20,

    /// <summary>E2M1, a power of two for 32 (OCP MX).</summary>
    MxFloat4,

    /// <summary>E2M1, an E4M3 scale for 16 of 64.</summary>
    NvFloat4,
}

/// <summary>Names and sizes of element types.</summary>
internal static class TensorTypeExtensions
{
    // Indexed by TensorType: the name in a file, the fewest elements that take whole bytes, these bytes, and the number
    // in a GGUF file, or −1.
    private static readonly (string Name, int Elements, int Bytes, int Gguf)[] Table =
    [
        ("BOOL", 1, 1, -1),
        ("F4", 2, 1, -1),
        ("F6_E2M3", 4, 3, -1),
        ("F6_E3M2", 4, 3, -1),
        ("U8", 1, 1, -1),
        ("I8", 1, 1, 24),
        ("F8_E5M2", 1, 1, -1),
        ("F8_E4M3", 1, 1, -1),
        ("F8_E8M0", 1, 1, -1),
        ("F8_E4M3FNUZ", 1, 1, -1),
        ("F8_E5M2FNUZ", 1, 1, -1),
        ("I16", 1, 2, 25),
        ("U16", 1, 2, -1),
        ("F16", 1, 2, 1),
        ("BF16", 1, 2, 30),
        ("I32", 1, 4, 26),
        ("U32", 1, 4, -1),
        ("F32", 1, 4, 0),
        ("C64", 1, 8, -1),
        ("F64", 1, 8, 28),
        ("I64", 1, 8, 27),
        ("U64", 1, 8, -1),
        ("Q4_0", 32, 18, 2),
        ("Q4_1", 32, 20, 3),
        ("Q5_0", 32, 22, 6),
        ("Q5_1", 32, 24, 7),
        ("Q8_0", 32, 34, 8),
        ("Q2_K", 256, 84, 10),
        ("Q3_K", 256, 110, 11),
        ("Q4_K", 256, 144, 12),
        ("Q5_K", 256, 176, 13),
        ("Q6_K", 256, 210, 14),
        ("IQ1_S", 256, 50, 19),
        ("IQ1_M", 256, 56, 29),
        ("IQ2_XXS", 256, 66, 16),
        ("IQ2_XS", 256, 74, 17),
        ("IQ2_S", 256, 82, 22),
        ("IQ3_XXS", 256, 98, 18),
        ("IQ3_S", 256, 110, 21),
        ("IQ4_NL", 32, 18, 20),
        ("IQ4_XS", 256, 136, 23),
        ("TQ1_0", 256, 54, 34),
        ("TQ2_0", 256, 66, 35),
        ("MXFP4", 32, 17, 39),
        ("NVFP4", 64, 36, 40),
    ];

    internal static string AllNames { get; } =
        string.Join(", ", Table.Take((int)TensorType.UInt64 + 1).Select(row => row.Name));

    /// <summary>Bits per element of types without blocks; 4 or 6 for the packed types, else a multiple of 8.</summary>
    public static int BitsPerElement(this TensorType type) => type.HasBlocks()
        ? throw new ArgumentException($"{type.Name()} has blocks, not elements of their own", nameof(type))
        : 8 * Table[(int)type].Bytes / Table[(int)type].Elements;

    /// <summary>The fewest elements that take whole bytes: of block types, a block.</summary>
    public static int BlockElements(this TensorType type) => Table[(int)type].Elements;

    /// <summary>The bytes that so many take.</summary>
    public static int BlockBytes(this TensorType type) => Table[(int)type].Bytes;

    /// <summary>The bytes of so many elements, which are whole blocks.</summary>
    public static long BytesOf(this TensorType type, long elements) =>
        elements / Table[(int)type].Elements * Table[(int)type].Bytes;

    /// <summary>Whether elements share scales, block by block (<see cref="BlockFormat"/>).</summary>
    public static bool HasBlocks(this TensorType type) => type > TensorType.UInt64;

    /// <summary>
    /// The name in a safetensors header, such as <c>BF16</c>, or of a GGUF type, such as <c>Q4_K</c>.
    /// </summary>
    public static string Name(this TensorType type) => Table[(int)type].Name;

    /// <summary>Finds the type that a safetensors header calls by this name; case matters.</summary>
    public static bool TryParse(string name, out TensorType type)
    {
        int index = Array.FindIndex(Table, row => row.Name == name);
        type = (TensorType)Math.Max(index, 0);
        return index >= 0 && !type.HasBlocks();
    }

    /// <summary>Finds the type that a GGUF file means by this number.</summary>
    public static bool TryOfGguf(uint number, out TensorType type)
    {
        int index = Array.FindIndex(Table, row => row.Gguf == number);
        type = (TensorType)Math.Max(index, 0);
        return index >= 0;
    }
}

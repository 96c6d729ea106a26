namespace Octavo.Formats;

/// <summary>
/// The element types of the safetensors format, ordered by increasing size as its reference implementation orders them
/// (https://github.com/huggingface/safetensors).
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
}

/// <summary>Names and sizes of element types.</summary>
internal static class TensorTypeExtensions
{
    // Indexed by TensorType: the name in a safetensors header, and the bits per element.
    private static readonly (string Name, int Bits)[] Table =
    [
        ("BOOL", 8),
        ("F4", 4),
        ("F6_E2M3", 6),
        ("F6_E3M2", 6),
        ("U8", 8),
        ("I8", 8),
        ("F8_E5M2", 8),
        ("F8_E4M3", 8),
        ("F8_E8M0", 8),
        ("F8_E4M3FNUZ", 8),
        ("F8_E5M2FNUZ", 8),
        ("I16", 16),
        ("U16", 16),
        ("F16", 16),
        ("BF16", 16),
        ("I32", 32),
        ("U32", 32),
        ("F32", 32),
        ("C64", 64),
        ("F64", 64),
        ("I64", 64),
        ("U64", 64),
    ];

    internal static string AllNames { get; } = string.Join(", ", Table.Select(row => row.Name));

    /// <summary>Bits per element; 4 or 6 for the packed types, else a multiple of 8.</summary>
    public static int BitsPerElement(this TensorType type) => Table[(int)type].Bits;

    /// <summary>The name in a safetensors header, such as <c>BF16</c>.</summary>
    public static string Name(this TensorType type) => Table[(int)type].Name;

    /// <summary>Finds the type that a safetensors header calls by this name; case matters.</summary>
    public static bool TryParse(string name, out TensorType type)
    {
        int index = Array.FindIndex(Table, row => row.Name == name);
        type = (TensorType)Math.Max(index, 0);
        return index >= 0;
    }
}

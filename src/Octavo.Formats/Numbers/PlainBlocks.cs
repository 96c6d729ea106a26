using System.Buffers.Binary;

namespace Octavo.Formats;

/// <summary><c>Q4_0</c>: a scale; 32 codes of four bits, plus 8.</summary>
internal sealed class NibbleBlock() : BlockFormat(TensorType.Q40, group: 32, -8, 7)
{
    public override bool HasHalfScales => true;

    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        scales[0] = HalfAt(block, 0);
        Nibbles(block.Slice(2, 16), codes, -8);
    }
}

/// <summary><c>Q4_1</c>: a scale, a least number; 32 codes of four bits.</summary>
internal sealed class NibbleRangeBlock() : BlockFormat(TensorType.Q41, group: 32, 0, 15, hasMinimums: true)
{
    public override bool HasHalfScales => true;

    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        (scales[0], minimums[0]) = (HalfAt(block, 0), -HalfAt(block, 2));
        Nibbles(block.Slice(4, 16), codes, 0);
    }
}

/// <summary><c>Q5_0</c>: a scale, the highest bits, 32 times the four others; codes plus 16.</summary>
internal sealed class FiveBitBlock() : BlockFormat(TensorType.Q50, group: 32, -16, 15)
{
    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        scales[0] = HalfAt(block, 0);
        Read(block[2..], codes, -16);
    }

    /// <summary>32 bits, the codes' highest, and the four others of each.</summary>
    internal static void Read(ReadOnlySpan<byte> block, Span<sbyte> codes, int offset)
    {
        uint high = BinaryPrimitives.ReadUInt32LittleEndian(block);
        Nibbles(block.Slice(4, 16), codes, offset);
        for (int i = 0; i < 32; i++)
        {
            codes[i] += (sbyte)((high >> i & 1) << 4);
        }
    }
}

/// <summary><c>Q5_1</c>: a scale, a least number, the highest bits, 32 times the four others.</summary>
internal sealed class FiveBitRangeBlock() : BlockFormat(TensorType.Q51, group: 32, 0, 31, hasMinimums: true)
{
    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        (scales[0], minimums[0]) = (HalfAt(block, 0), -HalfAt(block, 2));
        FiveBitBlock.Read(block[4..], codes, 0);
    }
}

/// <summary><c>Q8_0</c>: a scale, 32 codes.</summary>
internal sealed class ByteBlock() : BlockFormat(TensorType.Q80, group: 32, -128, 127)
{
    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        scales[0] = HalfAt(block, 0);
        for (int i = 0; i < 32; i++)
        {
            codes[i] = (sbyte)block[2 + i];
        }
    }
}

/// <summary><c>IQ4_NL</c>: a scale, 32 times one of 16 steps.</summary>
internal sealed class UnevenBlock() : BlockFormat(TensorType.IQ4Nl, group: 32, -127, 113)
{
    /// <summary>The steps.</summary>
    internal static ReadOnlySpan<sbyte> Steps =>
        [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        scales[0] = HalfAt(block, 0);
        Read(block.Slice(2, 16), Steps, codes);
    }

    /// <summary>Places in a table of 16, two to a byte.</summary>
    internal static void Read(ReadOnlySpan<byte> places, ReadOnlySpan<sbyte> table, Span<sbyte> codes)
    {
        Nibbles(places, codes, 0);
        for (int i = 0; i < 2 * places.Length; i++)
        {
            codes[i] = table[codes[i]];
        }
    }
}

/// <summary>
/// <c>MXFP4</c>: an exponent, 32 numbers E2M1 (OCP Microscaling Formats 1.0). Codes are twice the numbers.
/// </summary>
internal sealed class MxFloat4Block() : BlockFormat(TensorType.MxFloat4, group: 32, -12, 12)
{
    /// <summary>Twice the numbers.</summary>
    internal static ReadOnlySpan<sbyte> Doubled => [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        // Half of 2^(e − 127); the two least are subnormal.
        uint exponent = block[0];
        scales[0] = BitConverter.UInt32BitsToSingle(
            exponent < 2 ? 0x0020_0000u << (int)exponent : (exponent - 1) << 23);
        UnevenBlock.Read(block.Slice(1, 16), Doubled, codes);
    }
}

/// <summary>
/// <c>NVFP4</c>: four scales, E4M3 without a sign, and for each 16 numbers E2M1. Codes are twice the numbers.
/// </summary>
internal sealed class NvFloat4Block() : BlockFormat(TensorType.NvFloat4, group: 16, -12, 12)
{
    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        for (int group = 0; group < 4; group++)
        {
            scales[group] = Scale(block[group]) / 2;
            UnevenBlock.Read(block.Slice(4 + (8 * group), 8), MxFloat4Block.Doubled, codes.Slice(16 * group, 16));
        }
    }

    // All ones is no number in E4M3; here it is 0.
    private static float Scale(byte number)
    {
        const byte NotANumber = 0x7F;
        int exponent = number >> 3 & 0x0F, mantissa = number & 7;
        return number == NotANumber ? 0
            : exponent == 0 ? MathF.ScaleB(mantissa, -9)
            : MathF.ScaleB(8 + mantissa, exponent - 10);
    }
}

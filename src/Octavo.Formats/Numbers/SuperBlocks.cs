using System.Buffers.Binary;

namespace Octavo.Formats;

/// <summary>
/// Blocks of 256 whose scales are products: of a small integer for each group, and of a number of the block.
/// </summary>
internal abstract class SuperBlock(
    TensorType type, int group, int leastCode, int greatestCode, bool hasMinimums = false)
    : BlockFormat(type, group, leastCode, greatestCode, hasMinimums)
{
    private const int MostGroups = 16;

    /// <summary>Takes a block apart.</summary>
    /// <param name="block">Its bytes.</param>
    /// <param name="codes">Receives its 256 codes.</param>
    /// <param name="scales">Receives the factor of each group's scale.</param>
    /// <param name="minimums">Receives the factor of each group's minimum, where there are some.</param>
    /// <returns>What these factors are multiplied with.</returns>
    public abstract (Half Scale, Half Minimum) UnpackProducts(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<sbyte> scales, Span<sbyte> minimums);

    /// <inheritdoc/>
    public sealed override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        Span<sbyte> ofScales = stackalloc sbyte[MostGroups], ofMinimums = stackalloc sbyte[MostGroups];
        ofMinimums.Clear();
        (Half scale, Half minimum) = UnpackProducts(block, codes, ofScales, ofMinimums);
        for (int g = 0; g < Elements / Group; g++)
        {
            scales[g] = (float)scale * ofScales[g];
            minimums[g] = HasMinimums ? (float)minimum * ofMinimums[g] : 0;
        }
    }

    private protected static Half Half(ReadOnlySpan<byte> block, int offset) =>
        BinaryPrimitives.ReadHalfLittleEndian(block[offset..]);
}

/// <summary><c>Q2_K</c>: scales and minimums of four bits, 256 codes of two, what both are multiplied with.</summary>
internal sealed class Q2KBlock() : SuperBlock(TensorType.Q2K, group: 16, 0, 3, hasMinimums: true)
{
    public override (Half Scale, Half Minimum) UnpackProducts(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<sbyte> scales, Span<sbyte> minimums)
    {
        for (int g = 0; g < 16; g++)
        {
            (scales[g], minimums[g]) = ((sbyte)(block[g] & 0x0F), (sbyte)(block[g] >> 4));
        }

        Pairs(block.Slice(16, 64), codes);
        return (Half(block, 80), Half(block, 82));
    }

    /// <summary>Two bits each: of 32 bytes the lowest, the next, the next, the highest, then of the next 32.</summary>
    internal static void Pairs(ReadOnlySpan<byte> bytes, Span<sbyte> codes)
    {
        for (int i = 0; i < codes.Length && i < 4 * bytes.Length; i++)
        {
            codes[i] = (sbyte)(bytes[(i / 128 * 32) + (i % 32)] >> (2 * (i / 32 % 4)) & 3);
        }
    }
}

/// <summary>
/// <c>Q3_K</c>: the highest bits of 256 codes, the two others, scales of six bits plus 32, what they are multiplied
/// with; a code whose highest bit is 0 is 4 less.
/// </summary>
internal sealed class Q3KBlock() : SuperBlock(TensorType.Q3K, group: 16, -4, 3)
{
    public override (Half Scale, Half Minimum) UnpackProducts(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<sbyte> scales, Span<sbyte> minimums)
    {
        ReadOnlySpan<byte> packed = block.Slice(96, 12);
        for (int g = 0; g < 16; g++)
        {
            int low = packed[g % 8] >> (4 * (g / 8)) & 0x0F, high = packed[8 + (g % 4)] >> (2 * (g / 4)) & 3;
            scales[g] = (sbyte)((low | high << 4) - 32);
        }

        Q2KBlock.Pairs(block.Slice(32, 64), codes);
        for (int i = 0; i < 256; i++)
        {
            codes[i] -= (sbyte)((block[i % 32] >> (i / 32) & 1) == 0 ? 4 : 0);
        }

        return (Half(block, 108), default);
    }
}

/// <summary>
/// <c>Q4_K</c>: what scales and minimums are multiplied with, these in six bits, 256 codes of four.
/// </summary>
internal sealed class Q4KBlock() : SuperBlock(TensorType.Q4K, group: 32, 0, 15, hasMinimums: true)
{
    public override (Half Scale, Half Minimum) UnpackProducts(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<sbyte> scales, Span<sbyte> minimums)
    {
        Ranges(block, scales, minimums);
        for (int pair = 0; pair < 4; pair++)
        {
            Nibbles(block.Slice(16 + (32 * pair), 32), codes[(64 * pair)..], 0);
        }

        return (Half(block, 0), Half(block, 2));
    }

    /// <summary>The factors of eight scales and minimums, from the 12 bytes that hold them.</summary>
    internal static void Ranges(ReadOnlySpan<byte> block, Span<sbyte> scales, Span<sbyte> minimums)
    {
        for (int g = 0; g < 8; g++)
        {
            (int scale, int minimum) = SixBits(block.Slice(4, 12), g);
            (scales[g], minimums[g]) = ((sbyte)scale, (sbyte)minimum);
        }
    }

    // The first four stand in six bits of their bytes, whose two highest belong to the last four.
    private static (int Scale, int Minimum) SixBits(ReadOnlySpan<byte> packed, int group) => group < 4
        ? (packed[group] & 0x3F, packed[4 + group] & 0x3F)
        : ((packed[4 + group] & 0x0F) | (packed[group - 4] >> 2 & 0x30),
            packed[4 + group] >> 4 | (packed[group] >> 2 & 0x30));
}

/// <summary><c>Q5_K</c>: as <c>Q4_K</c>, with the codes' fifth bits between.</summary>
internal sealed class Q5KBlock() : SuperBlock(TensorType.Q5K, group: 32, 0, 31, hasMinimums: true)
{
    public override (Half Scale, Half Minimum) UnpackProducts(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<sbyte> scales, Span<sbyte> minimums)
    {
        Q4KBlock.Ranges(block, scales, minimums);
        for (int g = 0; g < 8; g++)
        {
            for (int i = 0; i < 32; i++)
            {
                int low = block[48 + (g / 2 * 32) + i] >> (g % 2 * 4) & 0x0F, high = block[16 + i] >> g & 1;
                codes[(32 * g) + i] = (sbyte)(low | high << 4);
            }
        }

        return (Half(block, 0), Half(block, 2));
    }
}

/// <summary>
/// <c>Q6_K</c>: the four lower bits of 256 codes, the two higher, scales of eight bits, what they are multiplied with;
/// codes plus 32.
/// </summary>
internal sealed class Q6KBlock() : SuperBlock(TensorType.Q6K, group: 16, -32, 31)
{
    public override (Half Scale, Half Minimum) UnpackProducts(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<sbyte> scales, Span<sbyte> minimums)
    {
        for (int g = 0; g < 16; g++)
        {
            scales[g] = (sbyte)block[192 + g];
        }

        for (int run = 0; run < 8; run++)
        {
            // Of each half, 64 bytes hold the lower bits of runs 0 and 1 and, in their high halves, of 2 and 3.
            (int half, int inHalf) = (run / 4, run % 4);
            ReadOnlySpan<byte> low = block[((64 * half) + (32 * (inHalf % 2)))..];
            ReadOnlySpan<byte> high = block[(128 + (32 * half))..];
            for (int i = 0; i < 32; i++)
            {
                int code = (low[i] >> (4 * (inHalf / 2)) & 0x0F) | (high[i] >> (2 * inHalf) & 3) << 4;
                codes[(32 * run) + i] = (sbyte)(code - 32);
            }
        }

        return (Half(block, 208), default);
    }
}

/// <summary>
/// <c>IQ4_XS</c>: what scales are multiplied with, these in six bits plus 32, 256 times one of 16 steps.
/// </summary>
internal sealed class UnevenSuperBlock() : SuperBlock(TensorType.IQ4Xs, group: 32, -127, 113)
{
    public override (Half Scale, Half Minimum) UnpackProducts(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<sbyte> scales, Span<sbyte> minimums)
    {
        int high = BinaryPrimitives.ReadUInt16LittleEndian(block[2..]);
        for (int g = 0; g < 8; g++)
        {
            int scale = (block[4 + (g / 2)] >> (4 * (g % 2)) & 0x0F) | (high >> (2 * g) & 3) << 4;
            scales[g] = (sbyte)(scale - 32);
            UnevenBlock.Read(block.Slice(8 + (16 * g), 16), UnevenBlock.Steps, codes.Slice(32 * g, 32));
        }

        return (Half(block, 0), default);
    }
}

/// <summary><c>TQ1_0</c>: −1, 0 or 1, five to a byte as the digits of a fraction to the base of 3; a scale.</summary>
internal sealed class PackedTernaryBlock() : BlockFormat(TensorType.TQ10, group: 256, -1, 1)
{
    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        scales[0] = HalfAt(block, 52);
        Digits(block[..32], codes, 5);
        Digits(block.Slice(32, 16), codes[160..], 5);
        Digits(block.Slice(48, 4), codes[240..], 4);
    }

    private static void Digits(ReadOnlySpan<byte> bytes, Span<sbyte> codes, int count)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            byte rest = bytes[i];
            for (int digit = 0; digit < count; digit++)
            {
                codes[(digit * bytes.Length) + i] = (sbyte)((rest * 3 >> 8) - 1);
                rest = unchecked((byte)(rest * 3));
            }
        }
    }
}

/// <summary><c>TQ2_0</c>: −1, 0 or 1, plus 1, in two bits; a scale.</summary>
internal sealed class TernaryBlock() : BlockFormat(TensorType.TQ20, group: 256, -1, 2)
{
    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        scales[0] = HalfAt(block, 64);
        Q2KBlock.Pairs(block[..64], codes);
        for (int i = 0; i < 256; i++)
        {
            codes[i]--;
        }
    }
}

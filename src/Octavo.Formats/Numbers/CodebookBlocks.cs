using System.Buffers.Binary;

namespace Octavo.Formats;

/// <summary>
/// Blocks whose codes stand, several at a time, in codebooks, which the format fixes (ggml's <c>ggml-common.h</c>).
/// </summary>
internal abstract class CodebookBlock(TensorType type, int group, int greatestCode)
    : BlockFormat(type, group, -greatestCode, greatestCode)
{
    private static readonly byte[] Codebooks = Load();

    /// <summary>Entries of eight codes, each one of 8, 25 and 43.</summary>
    protected static Codebook Of256 { get; } = new(0, 256, [8, 25, 43]);

    /// <inheritdoc cref="Of256"/>
    protected static Codebook Of512 { get; } = new(512, 512, [8, 25, 43]);

    /// <inheritdoc cref="Of256"/>
    protected static Codebook Of1024 { get; } = new(1536, 1024, [8, 25, 43]);

    /// <summary>Entries of four codes, each one of eight.</summary>
    protected static Codebook Of256Quads { get; } = new(3584, 256, [4, 12, 20, 28, 36, 44, 52, 62]);

    /// <inheritdoc cref="Of256Quads"/>
    protected static Codebook Of512Quads { get; } = new(4096, 512, [1, 3, 5, 7, 9, 11, 13, 15]);

    /// <summary>Entries of eight codes, each −1, 0 or 1.</summary>
    protected static Codebook Of2048 { get; } = new(5120, 2048, [-1, 0, 1]);

    /// <summary>The signs that seven bits stand for: the eighth makes their number even.</summary>
    protected static byte Signs(uint seven) => (byte)(seven | (uint)(uint.PopCount(seven) & 1) << 7);

    /// <summary>Turns those of eight codes around whose bit is set.</summary>
    protected static void Sign(Span<sbyte> codes, byte signs)
    {
        for (int i = 0; i < 8; i++)
        {
            codes[i] = (signs >> i & 1) == 0 ? codes[i] : (sbyte)-codes[i];
        }
    }

    private static byte[] Load()
    {
        using Stream resource = typeof(CodebookBlock).Assembly.GetManifestResourceStream("Codebooks.bin")!;
        byte[] bytes = new byte[resource.Length];
        resource.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>A codebook: two bytes an entry, which hold places in a list of codes.</summary>
    /// <param name="first">Where its bytes begin.</param>
    /// <param name="entries">Entries.</param>
    /// <param name="codes">The codes that an entry's are taken of: places have two bits, or four where there are more
    /// than four.</param>
    protected sealed class Codebook(int first, int entries, sbyte[] codes)
    {
        /// <summary>Copies an entry.</summary>
        public void Copy(int entry, Span<sbyte> destination)
        {
            (int bits, int count) = codes.Length > 4 ? (4, 4) : (2, 8);
            int places = BinaryPrimitives.ReadUInt16LittleEndian(
                Codebooks.AsSpan(first + (2 * Math.Min(entry, entries - 1))));
            for (int i = 0; i < count; i++)
            {
                destination[i] = codes[places >> (bits * i) & ((1 << bits) - 1)];
            }
        }
    }
}

/// <summary>
/// <c>IQ2_XXS</c>: a scale; for each 32 four places of eight bits, four times seven signs, and four bits of scale.
/// </summary>
internal sealed class IQ2XxsBlock() : CodebookBlock(TensorType.IQ2Xxs, group: 32, 43)
{
    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        float d = HalfAt(block, 0);
        for (int g = 0; g < 8; g++)
        {
            ReadOnlySpan<byte> places = block.Slice(2 + (8 * g), 4);
            uint rest = BinaryPrimitives.ReadUInt32LittleEndian(block[(6 + (8 * g))..]);
            scales[g] = d * (0.5f + (rest >> 28)) * 0.25f;
            for (int i = 0; i < 4; i++)
            {
                Span<sbyte> eight = codes.Slice((32 * g) + (8 * i), 8);
                Of256.Copy(places[i], eight);
                Sign(eight, Signs(rest >> (7 * i) & 0x7F));
            }
        }
    }
}

/// <summary><c>IQ2_XS</c>: a scale; 32 times a place of nine bits and seven signs; scales of four bits.</summary>
internal sealed class IQ2XsBlock() : CodebookBlock(TensorType.IQ2Xs, group: 16, 43)
{
    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        float d = HalfAt(block, 0);
        for (int g = 0; g < 16; g++)
        {
            scales[g] = d * (0.5f + (block[66 + (g / 2)] >> (4 * (g % 2)) & 0x0F)) * 0.25f;
        }

        for (int i = 0; i < 32; i++)
        {
            uint word = BinaryPrimitives.ReadUInt16LittleEndian(block[(2 + (2 * i))..]);
            Span<sbyte> eight = codes.Slice(8 * i, 8);
            Of512.Copy((int)(word & 511), eight);
            Sign(eight, Signs(word >> 9));
        }
    }
}

/// <summary>
/// <c>IQ2_S</c>: a scale; 32 times a place's eight lower bits, eight signs each, the higher bits, scales of four bits.
/// </summary>
internal sealed class IQ2SBlock() : CodebookBlock(TensorType.IQ2S, group: 16, 43)
{
    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        float d = HalfAt(block, 0);
        for (int g = 0; g < 16; g++)
        {
            scales[g] = d * (0.5f + (block[74 + (g / 2)] >> (4 * (g % 2)) & 0x0F)) * 0.25f;
        }

        for (int i = 0; i < 32; i++)
        {
            Span<sbyte> eight = codes.Slice(8 * i, 8);
            Of1024.Copy(block[2 + i] | (block[66 + (i / 4)] >> (2 * (i % 4)) & 3) << 8, eight);
            Sign(eight, block[34 + i]);
        }
    }
}

/// <summary>
/// <c>IQ3_XXS</c>: a scale; 64 places of eight bits; for each 32 four times seven signs and four bits of scale.
/// </summary>
internal sealed class IQ3XxsBlock() : CodebookBlock(TensorType.IQ3Xxs, group: 32, 62)
{
    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        float d = HalfAt(block, 0);
        for (int g = 0; g < 8; g++)
        {
            uint rest = BinaryPrimitives.ReadUInt32LittleEndian(block[(66 + (4 * g))..]);
            scales[g] = d * (0.5f + (rest >> 28)) * 0.5f;
            for (int i = 0; i < 4; i++)
            {
                Span<sbyte> eight = codes.Slice((32 * g) + (8 * i), 8);
                Of256Quads.Copy(block[2 + (8 * g) + (2 * i)], eight);
                Of256Quads.Copy(block[3 + (8 * g) + (2 * i)], eight[4..]);
                Sign(eight, Signs(rest >> (7 * i) & 0x7F));
            }
        }
    }
}

/// <summary>
/// <c>IQ3_S</c>: a scale; 64 places' eight lower bits, their ninth bits, a sign each, scales of four bits.
/// </summary>
internal sealed class IQ3SBlock() : CodebookBlock(TensorType.IQ3S, group: 32, 15)
{
    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        float d = HalfAt(block, 0);
        for (int g = 0; g < 8; g++)
        {
            scales[g] = d * (1 + (2 * (block[106 + (g / 2)] >> (4 * (g % 2)) & 0x0F)));
        }

        for (int i = 0; i < 64; i++)
        {
            Of512Quads.Copy(block[2 + i] | (block[66 + (i / 8)] >> (i % 8) & 1) << 8, codes[(4 * i)..]);
        }

        for (int i = 0; i < 32; i++)
        {
            Sign(codes.Slice(8 * i, 8), block[74 + i]);
        }
    }
}

/// <summary>
/// <c>IQ1_S</c>: a scale; 32 places' eight lower bits; for each 32 the places' higher bits, three bits of scale and the
/// sign of an eighth that is added. Codes are in eighths.
/// </summary>
internal sealed class IQ1SBlock() : CodebookBlock(TensorType.IQ1S, group: 32, 9)
{
    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        float d = HalfAt(block, 0);
        for (int g = 0; g < 8; g++)
        {
            int rest = BinaryPrimitives.ReadUInt16LittleEndian(block[(34 + (2 * g))..]);
            scales[g] = d * ((2 * (rest >> 12 & 7)) + 1) / 8;
            for (int i = 0; i < 4; i++)
            {
                CopyEighths(
                    block[2 + (4 * g) + i] | (rest >> (3 * i) & 7) << 8, (rest & 0x8000) != 0,
                    codes.Slice((32 * g) + (8 * i), 8));
            }
        }
    }

    /// <summary>An entry's codes, times eight, plus or minus one.</summary>
    internal static void CopyEighths(int entry, bool minus, Span<sbyte> codes)
    {
        Of2048.Copy(entry, codes);
        for (int i = 0; i < 8; i++)
        {
            codes[i] = (sbyte)((8 * codes[i]) + (minus ? -1 : 1));
        }
    }
}

/// <summary>
/// <c>IQ1_M</c>: 32 places' eight lower bits; for each the three higher ones and the sign of an eighth that is added;
/// scales of three bits, in whose words the four parts of what they are multiplied with stand on top.
/// </summary>
internal sealed class IQ1MBlock() : CodebookBlock(TensorType.IQ1M, group: 16, 9)
{
    public override void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums)
    {
        int bits = 0;
        for (int word = 0; word < 4; word++)
        {
            bits |= block[49 + (2 * word)] >> 4 << (4 * word);
        }

        float d = (float)BitConverter.UInt16BitsToHalf((ushort)bits);
        for (int g = 0; g < 16; g++)
        {
            int word = BinaryPrimitives.ReadUInt16LittleEndian(block[(48 + (g / 4 * 2))..]);
            scales[g] = d * ((2 * (word >> (3 * (g % 4)) & 7)) + 1) / 8;
        }

        for (int i = 0; i < 32; i++)
        {
            int rest = block[32 + (i / 2)] >> (4 * (i % 2)) & 0x0F;
            IQ1SBlock.CopyEighths(block[i] | (rest & 7) << 8, (rest & 8) != 0, codes.Slice(8 * i, 8));
        }
    }
}

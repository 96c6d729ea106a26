using System.Buffers.Binary;
using System.Collections.Frozen;

namespace Octavo.Formats;

/// <summary>
/// How a GGUF block type stores its numbers. Every one of them is <c>scale · code − minimum</c>, with integer codes of
/// at most eight bits, and scales and minimums (which most types do not have) that the elements of a group share; each
/// is exactly the product of what the block stores (ggml's <c>ggml-quants.c</c>, as gguf-py defines the values).
/// </summary>
/// <param name="type">The type.</param>
/// <param name="group">Elements that share a scale.</param>
/// <param name="leastCode">The least code.</param>
/// <param name="greatestCode">The greatest one.</param>
/// <param name="hasMinimums">Whether there are minimums.</param>
internal abstract class BlockFormat(
    TensorType type, int group, int leastCode, int greatestCode, bool hasMinimums = false)
{
    private const int MostElements = 256;

    private static readonly FrozenDictionary<TensorType, BlockFormat> Formats = new BlockFormat[]
    {
        new NibbleBlock(), new NibbleRangeBlock(), new FiveBitBlock(), new FiveBitRangeBlock(), new ByteBlock(),
        new UnevenBlock(), new MxFloat4Block(), new NvFloat4Block(),
        new Q2KBlock(), new Q3KBlock(), new Q4KBlock(), new Q5KBlock(), new Q6KBlock(), new UnevenSuperBlock(),
        new PackedTernaryBlock(), new TernaryBlock(),
        new IQ1SBlock(), new IQ1MBlock(), new IQ2XxsBlock(), new IQ2XsBlock(), new IQ2SBlock(), new IQ3XxsBlock(),
        new IQ3SBlock(),
    }.ToFrozenDictionary(format => format.Type);

    /// <summary>The type.</summary>
    public TensorType Type => type;

    /// <summary>Elements of a block.</summary>
    public int Elements { get; } = type.BlockElements();

    /// <summary>Bytes of a block.</summary>
    public int Bytes { get; } = type.BlockBytes();

    /// <summary>Elements that share a scale.</summary>
    public int Group => group;

    /// <summary>The least code that a block can hold.</summary>
    public int LeastCode => leastCode;

    /// <summary>The greatest one.</summary>
    public int GreatestCode => greatestCode;

    /// <summary>Whether there are minimums.</summary>
    public bool HasMinimums => hasMinimums;

    /// <summary>Whether scales and minimums stand in a block as half-precision numbers.</summary>
    public virtual bool HasHalfScales => false;

    /// <summary>How a type stores its numbers; null where it has no blocks.</summary>
    public static BlockFormat? Of(TensorType type) => Formats.GetValueOrDefault(type);

    /// <summary>Takes a block apart.</summary>
    /// <param name="block">Its <see cref="Bytes"/>.</param>
    /// <param name="codes">Receives its <see cref="Elements"/> codes.</param>
    /// <param name="scales">Receives the scale of each group.</param>
    /// <param name="minimums">Receives what is taken off each group, where there is something.</param>
    public abstract void Unpack(
        ReadOnlySpan<byte> block, Span<sbyte> codes, Span<float> scales, Span<float> minimums);

    /// <summary>The numbers of whole blocks.</summary>
    public void ToFloat32(ReadOnlySpan<byte> blocks, Span<float> destination)
    {
        Span<sbyte> codes = stackalloc sbyte[MostElements];
        Span<float> scales = stackalloc float[MostElements / 8], minimums = stackalloc float[MostElements / 8];
        minimums.Clear();
        while (blocks.Length > 0)
        {
            Unpack(blocks[..Bytes], codes, scales, minimums);
            for (int i = 0; i < Elements; i++)
            {
                destination[i] = (scales[i / group] * codes[i]) - minimums[i / group];
            }

            blocks = blocks[Bytes..];
            destination = destination[Elements..];
        }
    }

    /// <summary>A half-precision number at a place of a block.</summary>
    protected static float HalfAt(ReadOnlySpan<byte> block, int offset) =>
        (float)BinaryPrimitives.ReadHalfLittleEndian(block[offset..]);

    /// <summary>Codes of four bits: the first half in the low halves of the bytes, the second in the high.</summary>
    protected static void Nibbles(ReadOnlySpan<byte> bytes, Span<sbyte> codes, int offset)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            codes[i] = (sbyte)((bytes[i] & 0x0F) + offset);
            codes[bytes.Length + i] = (sbyte)((bytes[i] >> 4) + offset);
        }
    }
}

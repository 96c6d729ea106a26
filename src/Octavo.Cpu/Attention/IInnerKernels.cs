using Octavo.Cpu.Codegen;
namespace Octavo.Cpu.Attention;

/// <summary>
/// The two inner products of attention, and how their integer operands are packed. Each float sum is one chain of fused
/// multiply-adds (over dimensions from 0 in <see cref="Score"/>, over keys in <see cref="Gather"/>), each integer sum
/// is exact: all implementations give the same bits.
/// </summary>
internal unsafe interface IInnerKernels
{
    /// <summary><c>result[r, key] = query[r] · key</c>, scaled.</summary>
    static abstract void Score(AttentionCall* call);

    /// <summary><c>result[r, d] = Σ weight[r, key] · value[key, d]</c>, scaled.</summary>
    static abstract void Gather(AttentionCall* call);

    /// <summary>Packs a row's 15-bit integers.</summary>
    /// <param name="integers">The integers, with room to the next sixteen.</param>
    /// <param name="count">How many, a multiple of 16.</param>
    /// <param name="bits">Bits of the low part, where the kernel takes integers in two parts: 7 (signed) or 8
    /// (unsigned).</param>
    /// <param name="destination">The packed row.</param>
    /// <param name="lowPart">Bytes from the row's high to its low part.</param>
    static abstract void Pack(int* integers, int count, int bits, byte* destination, int lowPart);
}

using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Octavo.Cpu.Codegen;

namespace Octavo.Cpu.Attention;

/// <summary>
/// The inner products as <see cref="Codegen.AttentionEmitter"/> writes them for AVX-512. A call is short (a
/// microsecond), so the garbage collector may wait for it: no transition is paid.
/// </summary>
internal readonly unsafe struct EmittedKernels : IInnerKernels
{
    public static void Score(AttentionCall* call) =>
        ((delegate* unmanaged[SuppressGCTransition]<AttentionCall*, void>)call->Code[call->Rows - 1])(call);

    public static void Gather(AttentionCall* call) =>
        ((delegate* unmanaged[SuppressGCTransition]<AttentionCall*, void>)
            call->Code[AttentionLayout.MostRows + call->Rows - 1])(call);

    /// <summary>
    /// Packs bytes as <c>vpdpbusd</c> multiplies them, the high parts first. A query (7 bits) splits into signed parts,
    /// −64 to 63 the low one; a weight (8 bits) into unsigned ones.
    /// </summary>
    public static void Pack(int* integers, int count, int bits, byte* destination, int lowPart)
    {
        Vector512<int> half = Vector512.Create(bits == 7 ? 64 : 0);
        for (int i = 0; i < count; i += Vector512<int>.Count)
        {
            Vector512<int> value = Vector512.Load(integers + i);
            Vector512<int> high = (value + half) >> bits;
            Avx512F.ConvertToVector128Byte(high).Store(destination + i);
            Avx512F.ConvertToVector128Byte(value - (high << bits)).Store(destination + lowPart + i);
        }
    }
}

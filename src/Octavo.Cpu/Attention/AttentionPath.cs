using System.Diagnostics;
using System.Runtime.Intrinsics;
using Octavo.Cpu.Codegen;
using Octavo.Cpu.Simd;
using Octavo.Engine;

namespace Octavo.Cpu.Attention;

/// <summary>The kernels of one instruction set and cache format.</summary>
internal readonly unsafe struct AttentionPath
{
    private readonly delegate*<in AttentionTile, AttentionScratch, void**, void> _run;
    private readonly delegate*<in AttentionTile, AttentionScratch, void> _merge;
    private readonly delegate*<in AttentionTile, AttentionScratch, void> _write;
    private readonly void** _code;

    private AttentionPath(
        delegate*<in AttentionTile, AttentionScratch, void**, void> run,
        delegate*<in AttentionTile, AttentionScratch, void> merge,
        delegate*<in AttentionTile, AttentionScratch, void> write, void** code)
    {
        _run = run;
        _merge = merge;
        _write = write;
        _code = code;
    }

    /// <summary>True where the inner products are emitted machine code.</summary>
    public bool IsEmitted => _code != null;

    /// <summary>Computes a tile's partitions, into its partial results or into the scratch's state.</summary>
    public void Run(in AttentionTile tile, AttentionScratch scratch) => _run(tile, scratch, _code);

    /// <summary>Merges partitions that were computed apart into the scratch's state.</summary>
    public void Merge(in AttentionTile tile, AttentionScratch scratch) => _merge(tile, scratch);

    /// <summary>Writes the outputs of rows from the scratch's state.</summary>
    public void Write(in AttentionTile tile, AttentionScratch scratch) => _write(tile, scratch);

    /// <summary>
    /// The fastest kernels of an instruction set; emitted ones only where <paramref name="emitted"/> allows them.
    /// </summary>
    public static AttentionPath For(InstructionSet isa, AttentionLayout layout, bool emitted = true)
    {
        void** code = emitted ? AttentionCode.For(layout, isa) : null;
        KvCacheFormat format = layout.Kv.Format;
        return code != null ? Close<EmittedKernels, Vector512<float>, Simd512, Vector512<int>, IntSimd512>(code)
            : isa >= InstructionSet.Avx512 ? Plain<Vector512<float>, Simd512, Vector512<int>, IntSimd512>(format)
            : isa >= InstructionSet.Avx2 ? Plain<Vector256<float>, Simd256, Vector256<int>, IntSimd256>(format)
            : Plain<Vector128<float>, Simd128, Vector128<int>, IntSimd128>(format);
    }

    private static AttentionPath Plain<TVector, TSimd, TInt, TIntSimd>(KvCacheFormat format)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
        where TInt : struct
        where TIntSimd : struct, IIntSimd<TVector, TInt> => format switch
        {
            KvCacheFormat.Float32 =>
                Close<PlainFloatKernels<Float32Element, TVector, TSimd, TInt, TIntSimd>, TVector, TSimd, TInt,
                    TIntSimd>(null),
            KvCacheFormat.BFloat16 =>
                Close<PlainFloatKernels<BFloat16Element, TVector, TSimd, TInt, TIntSimd>, TVector, TSimd, TInt,
                    TIntSimd>(null),
            KvCacheFormat.Int8 =>
                Close<PlainInt8Kernels<TVector, TSimd, TInt, TIntSimd>, TVector, TSimd, TInt, TIntSimd>(null),
            KvCacheFormat.Fp8 =>
                throw new UnreachableException("what stands in E4M3 is widened before kernels read it"),
        };

    private static AttentionPath Close<TInner, TVector, TSimd, TInt, TIntSimd>(void** code)
        where TInner : struct, IInnerKernels
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
        where TInt : struct
        where TIntSimd : struct, IIntSimd<TVector, TInt> =>
        new(
            &AttentionKernel<TInner, TVector, TSimd, TInt, TIntSimd>.Run,
            &AttentionKernel<TInner, TVector, TSimd, TInt, TIntSimd>.Merge,
            &AttentionKernel<TInner, TVector, TSimd, TInt, TIntSimd>.Write, code);
}

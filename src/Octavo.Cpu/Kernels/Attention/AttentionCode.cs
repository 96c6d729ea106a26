using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Octavo.Cpu.Codegen;

namespace Octavo.Cpu.Kernels;

/// <summary>
/// The emitted kernels of one cache layout: <c>Score</c> for 1 to 6 rows, then <c>Gather</c>. Made once a process; like the
/// code itself, the table lives as long as it does.
/// </summary>
internal static unsafe class AttentionCode
{
    private static readonly ConcurrentDictionary<AttentionLayout, nint> Tables = new();

    /// <summary>The table, or null where this machine cannot run such code.</summary>
    public static void** For(AttentionLayout layout, InstructionSet isa)
    {
        bool able = isa >= (layout.Kv.Format == KvCacheFormat.Int8 ? InstructionSet.Avx512Vnni : InstructionSet.Avx512);
        return able ? (void**)Tables.GetOrAdd(layout, Make) : null;
    }

    private static nint Make(AttentionLayout layout)
    {
        try
        {
            var code = new nint[2 * AttentionLayout.MostRows];
            for (int rows = 1; rows <= AttentionLayout.MostRows; rows++)
            {
                int count = rows;
                code[rows - 1] = (nint)MachineCode.Make(c => AttentionEmitter.EmitScore(c, layout, count));
                code[AttentionLayout.MostRows + rows - 1] = (nint)MachineCode.Make(c => AttentionEmitter.EmitGather(c, layout, count));
            }

            var table = (nint*)NativeMemory.Alloc((nuint)(code.Length * sizeof(nint)));
            code.CopyTo(new Span<nint>(table, code.Length));
            return (nint)table;
        }
        catch (PlatformNotSupportedException)
        {
            // Some systems let no process make code; the kernels in C# give the same bits.
            return 0;
        }
    }
}

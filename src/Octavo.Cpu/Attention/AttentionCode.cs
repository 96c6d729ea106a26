using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Iced.Intel;
using Octavo.Cpu.Codegen;
using Octavo.Engine;

namespace Octavo.Cpu.Attention;

/// <summary>
/// The emitted kernels of one cache layout: <c>Score</c> for 1 to 6 rows, then <c>Gather</c>. Made once a process; like
/// the code itself, the table lives as long as it does.
/// </summary>
internal static unsafe class AttentionCode
{
    private static readonly ConcurrentDictionary<AttentionLayout, Lazy<nint>> Tables = new();

    /// <summary>The table, or null where this machine cannot run such code.</summary>
    public static void** For(AttentionLayout layout, InstructionSet isa)
    {
        bool able = isa >= (layout.Kv.Format == KvCacheFormat.Int8 ? InstructionSet.Avx512Vnni : InstructionSet.Avx512);
        return able ? (void**)Tables.GetOrAdd(layout, l => new Lazy<nint>(() => Make(l))).Value : null;
    }

    private static nint Make(AttentionLayout layout)
    {
        try
        {
            IEnumerable<int> rows = Enumerable.Range(1, AttentionLayout.MostRows);
            void*[] code = MachineCode.MakeAll(
            [
                .. rows.Select<int, Action<Assembler>>(n => c => AttentionEmitter.EmitScore(c, layout, n)),
                .. rows.Select<int, Action<Assembler>>(n => c => AttentionEmitter.EmitGather(c, layout, n)),
            ]);
            var table = (void**)NativeMemory.Alloc((nuint)(code.Length * sizeof(void*)));
            for (int i = 0; i < code.Length; i++)
            {
                table[i] = code[i];
            }

            return (nint)table;
        }
        catch (PlatformNotSupportedException)
        {
            // Some systems let no process make code; the kernels in C# give the same bits.
            return 0;
        }
    }
}

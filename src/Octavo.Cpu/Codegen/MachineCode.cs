using System.Diagnostics;
using Iced.Intel;
using Octavo.Cpu.Memory;

namespace Octavo.Cpu.Codegen;

/// <summary>Turns what an emitter has written into code that can be called.</summary>
internal static unsafe class MachineCode
{
    private const int Alignment = 64;

    /// <summary>Assembles and seals a function of 64-bit x86 and returns its address.</summary>
    /// <param name="emit">Writes the function; its arguments come as the platform passes them.</param>
    public static void* Make(Action<Assembler> emit) => MakeAll([emit])[0];

    /// <summary>Assembles and seals several functions behind one another.</summary>
    public static void*[] MakeAll(IReadOnlyList<Action<Assembler>> emits)
    {
        long began = Stopwatch.GetTimestamp();
        using var code = new MemoryStream();
        int[] starts = new int[emits.Count];
        for (int i = 0; i < emits.Count; i++)
        {
            code.SetLength((code.Length + Alignment - 1) / Alignment * Alignment);
            code.Position = code.Length;
            starts[i] = (int)code.Length;
            var assembler = new Assembler(64);
            emits[i](assembler);
            assembler.Assemble(new StreamCodeWriter(code), (ulong)starts[i]);
        }

        byte* memory = (byte*)ExecutableMemory.Seal(code.GetBuffer().AsSpan(0, (int)code.Length));
        void*[] functions = new void*[starts.Length];
        for (int i = 0; i < starts.Length; i++)
        {
            functions[i] = memory + starts[i];
        }

        GeneratedCode.Add(functions.Length, code.Length, began);
        return functions;
    }
}

using Iced.Intel;

namespace Octavo.Cpu.Codegen;

/// <summary>Turns what an emitter has written into code that can be called.</summary>
internal static unsafe class MachineCode
{
    /// <summary>Assembles and seals a function of 64-bit x86 and returns its address.</summary>
    /// <param name="emit">Writes the function; its arguments come as the platform passes them.</param>
    public static void* Make(Action<Assembler> emit)
    {
        var assembler = new Assembler(64);
        emit(assembler);
        using var code = new MemoryStream();
        assembler.Assemble(new StreamCodeWriter(code), 0);
        return ExecutableMemory.Seal(code.GetBuffer().AsSpan(0, (int)code.Length));
    }
}

using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Octavo.Cpu.Codegen;

/// <summary>
/// Loops that do nothing but one instruction, on fourteen independent accumulators: as many as hide its latency. They
/// measure what the processor can do at most. Registers 16 to 31 need not be kept for the caller on any platform.
/// </summary>
internal static unsafe class PeakLoops
{
    /// <summary>Instructions in one turn of a loop.</summary>
    public const int InstructionsPerTurn = Accumulators;

    private const int Accumulators = 14;

    private static readonly AssemblerRegisterZMM[] Registers =
        [zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29];

    /// <summary>Sixteen lanes of four byte products each: 128 operations an instruction.</summary>
    public static delegate* unmanaged<long, void> Bytes() =>
        (delegate* unmanaged<long, void>)MachineCode.Make(c => EmitLoop(c, r => c.vpdpbusd(r, zmm30, zmm31)));

    /// <summary>Sixteen lanes of two bfloat16 products each: 64 operations an instruction.</summary>
    public static delegate* unmanaged<long, void> BFloat16() =>
        (delegate* unmanaged<long, void>)MachineCode.Make(c => EmitLoop(c, r => c.vdpbf16ps(r, zmm30, zmm31)));

    /// <summary>Sixteen lanes of one float32 product: 32 operations an instruction.</summary>
    public static delegate* unmanaged<long, void> Float32() =>
        (delegate* unmanaged<long, void>)MachineCode.Make(c => EmitLoop(c, r => c.vfmadd231ps(r, zmm30, zmm31)));

    private static void EmitLoop(Assembler c, Action<AssemblerRegisterZMM> instruction)
    {
        Label turn = c.CreateLabel();
        c.mov(rax, OperatingSystem.IsWindows() ? rcx : rdi);
        foreach (AssemblerRegisterZMM register in Registers)
        {
            c.vpxord(register, register, register);
        }

        c.vpxord(zmm30, zmm30, zmm30);
        c.vpxord(zmm31, zmm31, zmm31);
        c.Label(ref turn);
        foreach (AssemblerRegisterZMM register in Registers)
        {
            instruction(register);
        }

        c.dec(rax);
        c.jnz(turn);
        c.vzeroupper();
        c.ret();
    }
}

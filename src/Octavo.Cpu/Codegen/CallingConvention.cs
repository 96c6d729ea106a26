using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Octavo.Cpu.Codegen;

/// <summary>
/// How a function that uses every register begins and ends: what the platform's calling convention wants kept is saved,
/// and its one argument, a pointer, is put where the function looks for it.
/// </summary>
internal static class CallingConvention
{
    private const int XmmBytes = 16;

    // System V keeps no vector register; Windows keeps the lower halves of xmm6 to xmm15, and rdi and rsi beside.
    private static readonly AssemblerRegister64[] Kept =
        OperatingSystem.IsWindows() ? [rbx, rbp, rdi, rsi, r12, r13, r14, r15] : [rbx, rbp, r12, r13, r14, r15];

    private static readonly AssemblerRegisterXMM[] KeptVectors =
        OperatingSystem.IsWindows() ? [xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15] : [];

    /// <summary>Saves the caller's registers and moves the first argument to a register.</summary>
    public static void Enter(Assembler c, AssemblerRegister64 argument)
    {
        foreach (AssemblerRegister64 register in Kept)
        {
            c.push(register);
        }

        if (KeptVectors.Length > 0)
        {
            c.sub(rsp, KeptVectors.Length * XmmBytes);
        }

        for (int i = 0; i < KeptVectors.Length; i++)
        {
            c.movups(__xmmword_ptr[rsp + (i * XmmBytes)], KeptVectors[i]);
        }

        AssemblerRegister64 first = OperatingSystem.IsWindows() ? rcx : rdi;
        if (argument != first)
        {
            c.mov(argument, first);
        }
    }

    /// <summary>Restores the caller's registers and returns.</summary>
    public static void Leave(Assembler c)
    {
        c.vzeroupper();
        for (int i = 0; i < KeptVectors.Length; i++)
        {
            c.movups(KeptVectors[i], __xmmword_ptr[rsp + (i * XmmBytes)]);
        }

        if (KeptVectors.Length > 0)
        {
            c.add(rsp, KeptVectors.Length * XmmBytes);
        }

        foreach (AssemblerRegister64 register in Kept.Reverse())
        {
            c.pop(register);
        }

        c.ret();
    }
}

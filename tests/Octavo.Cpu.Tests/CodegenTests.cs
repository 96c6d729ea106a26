using System.Runtime.Intrinsics.X86;
using Octavo.Cpu.Codegen;
using static Iced.Intel.AssemblerRegisters;

namespace Octavo.Cpu.Tests;

public sealed unsafe class CodegenTests
{
    [Fact]
    public void Make_SmallFunction_RunsAndItsPagesAreNeverWritableAndExecutable()
    {
        Assert.SkipUnless(X86Base.X64.IsSupported, "machine code is made for 64-bit x86");
        void* code = MachineCode.Make(c =>
        {
            c.lea(rax, __[(OperatingSystem.IsWindows() ? rcx : rdi) + 42]);
            c.ret();
        });
        ((delegate* unmanaged<long, long>)code)(100).ShouldBe(142);
        if (OperatingSystem.IsLinux())
        {
            string map = File.ReadLines("/proc/self/maps").Single(line => Holds(line, (ulong)code));
            map.Split(' ')[1].ShouldBe("r-xp");
        }

        static bool Holds(string line, ulong address)
        {
            string[] range = line.Split(' ')[0].Split('-');
            return Convert.ToUInt64(range[0], 16) <= address && address < Convert.ToUInt64(range[1], 16);
        }
    }

    [Fact]
    public void CpuFeatures_NarrowerThanTheRuntime_NeverPromisesMore()
    {
        CpuFeatures.Avx512.ShouldBe(ProcessorFeatures.Supported >= InstructionSet.Avx512);
        (CpuFeatures.Avx512Vnni && !CpuFeatures.Avx512).ShouldBeFalse();
        (CpuFeatures.Avx512Bf16 && !CpuFeatures.Avx512).ShouldBeFalse();
        // Under an emulator /proc/cpuinfo is still the host's.
        if (OperatingSystem.IsLinux() && X86Base.IsSupported && !TestRunner.Emulated)
        {
            string flags =
                File.ReadLines("/proc/cpuinfo").First(l => l.StartsWith("flags", StringComparison.Ordinal)) + " ";
            CpuFeatures.Avx512Vnni.ShouldBe(CpuFeatures.Avx512 && flags.Contains(" avx512_vnni "));
            CpuFeatures.Avx512Bf16.ShouldBe(CpuFeatures.Avx512 && flags.Contains(" avx512_bf16 "));
            CpuFeatures.Reported.Single(f => f.Name == "AVX-VNNI").Present.ShouldBe(flags.Contains(" avx_vnni "));
        }
    }
}

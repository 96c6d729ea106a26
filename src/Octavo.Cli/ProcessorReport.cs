using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text;
using Octavo.Cpu;

namespace Octavo.Cli;

/// <summary>What this processor can do, from its own CPUID; what of it the kernels take is <see cref="ProcessorFeatures"/>'s to say.</summary>
internal static class ProcessorReport
{
    // name, leaf, subleaf, register (0 = eax … 3 = edx), bit: Intel SDM volume 2A, CPUID.
    private static readonly (string Name, int Leaf, int Sub, int Register, int Bit)[] Flags =
    [
        ("AVX2", 7, 0, 1, 5),
        ("FMA", 1, 0, 2, 12),
        ("F16C", 1, 0, 2, 29),
        ("AVX-512F", 7, 0, 1, 16),
        ("AVX-512BW", 7, 0, 1, 30),
        ("AVX-512DQ", 7, 0, 1, 17),
        ("AVX-512VL", 7, 0, 1, 31),
        ("AVX-512VNNI", 7, 0, 2, 11),
        ("AVX-512BF16", 7, 1, 0, 5),
        ("AVX-VNNI", 7, 1, 0, 4),
        ("AMX-INT8", 7, 0, 3, 25),
        ("AMX-BF16", 7, 0, 3, 22),
    ];

    /// <summary>The processor's own name, or its architecture's.</summary>
    public static string Name { get; } = ReadName();

    /// <summary>Features that matter here and whether the processor reports them; none on other than x86.</summary>
    public static IReadOnlyList<(string Name, bool Present)> Features { get; } =
        X86Base.IsSupported ? [.. Flags.Select(f => (f.Name, Has(f.Leaf, f.Sub, f.Register, f.Bit)))] : [];

    private static bool Has(int leaf, int sub, int register, int bit)
    {
        if (X86Base.CpuId(0, 0).Eax < leaf || (sub > 0 && X86Base.CpuId(leaf, 0).Eax < sub))
        {
            return false;
        }

        (int eax, int ebx, int ecx, int edx) = X86Base.CpuId(leaf, sub);
        int value = register switch { 0 => eax, 1 => ebx, 2 => ecx, _ => edx };
        return ((value >> bit) & 1) != 0;
    }

    private static string ReadName()
    {
        const int FirstNameLeaf = unchecked((int)0x80000002);
        const int LastNameLeaf = unchecked((int)0x80000004);
        if (!X86Base.IsSupported || X86Base.CpuId(unchecked((int)0x80000000), 0).Eax < LastNameLeaf)
        {
            return RuntimeInformation.ProcessArchitecture.ToString();
        }

        Span<int> words = stackalloc int[12];
        for (int leaf = FirstNameLeaf; leaf <= LastNameLeaf; leaf++)
        {
            int at = (leaf - FirstNameLeaf) * 4;
            (words[at], words[at + 1], words[at + 2], words[at + 3]) = X86Base.CpuId(leaf, 0);
        }

        return Encoding.ASCII.GetString(MemoryMarshal.AsBytes(words)).TrimEnd('\0', ' ').Trim();
    }
}

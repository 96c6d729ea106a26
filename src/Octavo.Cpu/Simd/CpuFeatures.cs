using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Octavo.Cpu;

/// <summary>
/// What the processor can do, read from CPUID, for machine code that we emit ourselves. The runtime's own gate
/// (<c>IsSupported</c>) tells whether the operating system keeps the wide registers; CPUID tells the rest, which .NET
/// does not expose.
/// </summary>
internal static class CpuFeatures
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
        ("AMX-TILE", 7, 0, 3, 24),
    ];

    /// <summary>Features that matter here and whether the processor reports them; none on other than x86.</summary>
    public static IReadOnlyList<(string Name, bool Present)> Reported { get; } =
        X86Base.IsSupported ? [.. Flags.Select(f => (f.Name, Has(f.Leaf, f.Sub, f.Register, f.Bit)))] : [];

    /// <summary>AVX-512 F, BW, DQ and VL, which the system lets a process use.</summary>
    public static bool Avx512 { get; } =
        Avx512F.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported && Avx512F.VL.IsSupported;

    /// <summary>AVX2 with FMA and F16C, which the system lets a process use.</summary>
    public static bool Avx2 { get; } =
        System.Runtime.Intrinsics.X86.Avx2.IsSupported && Fma.IsSupported && Reports("F16C");

    /// <summary>Dot products of bytes in 256 bits without AVX-512, usable.</summary>
    public static bool AvxVnni { get; } = Avx2 && Reports("AVX-VNNI");

    /// <summary>AVX-512 dot products of bytes, usable.</summary>
    public static bool Avx512Vnni { get; } = Avx512 && Reports("AVX-512VNNI");

    /// <summary>AVX-512 dot products of bfloat16, usable.</summary>
    public static bool Avx512Bf16 { get; } = Avx512 && Reports("AVX-512BF16");

    /// <summary>
    /// Matrix registers for bytes and bfloat16, which Linux lets this process use; asked for when it is first read.
    /// </summary>
    public static bool Amx => AmxPermission.Value;

    private static Lazy<bool> AmxPermission { get; } = new(() =>
        Avx512Vnni && Avx512Bf16 && Reports("AMX-TILE") && Reports("AMX-INT8") && Reports("AMX-BF16")
            && OperatingSystem.IsLinux() && RequestTileData());

    /// <summary>
    /// Linux keeps the matrix registers of a process only if it asked for them (Documentation/arch/x86/xstate.rst).
    /// </summary>
    private static bool RequestTileData()
    {
        const long archPrctl = 158, requestPermission = 0x1023, tileData = 18;
        return syscall(archPrctl, requestPermission, tileData) == 0;
    }

    [DllImport("libc")]
    private static extern long syscall(long number, long first, long second);

    private static bool Reports(string name) => Reported.Any(f => f.Name == name && f.Present);

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
}

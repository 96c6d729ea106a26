using Octavo.Cpu.Memory;

namespace Octavo.Cpu;

/// <summary>The widest kernels that this process takes, from narrow to wide.</summary>
internal enum InstructionSet
{
    /// <summary>Four lanes on any processor, through <c>Vector128</c>.</summary>
    Portable,

    /// <summary>Eight lanes: AVX2 with FMA and F16C.</summary>
    Avx2,

    /// <summary>Eight lanes and dot products of bytes: AVX2 with AVX-VNNI.</summary>
    AvxVnni,

    /// <summary>Sixteen lanes: AVX-512 F, BW, DQ and VL.</summary>
    Avx512,

    /// <summary>
    /// Sixteen lanes and dot products of bytes: AVX-512 with VNNI; those of bfloat16 where the processor has them.
    /// </summary>
    Avx512Vnni,

    /// <summary>
    /// As <see cref="Avx512Vnni"/>, and matrix registers (AMX) for 8-bit and bfloat16 tiles. Taken only where
    /// OCTAVO_ISA asks for it: the kernels are tested instruction by instruction, but have not run on such a processor
    /// yet.
    /// </summary>
    Amx,
}

/// <summary>Which kernels this process takes, and why.</summary>
internal static class ProcessorFeatures
{
    /// <summary>
    /// Names that OCTAVO_ISA may have; the variable caps the instruction set, for tests and diagnosis.
    /// </summary>
    public const string Variable = "OCTAVO_ISA";

    /// <summary>
    /// The widest set that this processor and runtime have, and the system lets a process make code for.
    /// </summary>
    public static InstructionSet Supported { get; } =
        !ExecutableMemory.IsAllowed ? InstructionSet.Portable
        : Has(InstructionSet.Avx512Vnni) ? InstructionSet.Avx512Vnni
        : Has(InstructionSet.Avx512) ? InstructionSet.Avx512
        : Has(InstructionSet.AvxVnni) ? InstructionSet.AvxVnni
        : Has(InstructionSet.Avx2) ? InstructionSet.Avx2
        : InstructionSet.Portable;

    /// <summary>The set that kernels take: what is supported, capped by OCTAVO_ISA.</summary>
    /// <exception cref="Octavo.Engine.EngineConfigurationException">OCTAVO_ISA has a value that is not a set's
    /// name.</exception>
    public static InstructionSet Selected => Cap(Supported, Environment.GetEnvironmentVariable(Variable));

    /// <summary>
    /// Whether this processor can take a set's kernels. The sets are not one chain: there are processors with AVX-512
    /// that lack AVX-VNNI.
    /// </summary>
    public static bool Has(InstructionSet isa) => isa switch
    {
        InstructionSet.Amx => CpuFeatures.Amx,
        InstructionSet.Avx512Vnni => CpuFeatures.Avx512Vnni,
        InstructionSet.Avx512 => CpuFeatures.Avx512,
        InstructionSet.AvxVnni => CpuFeatures.AvxVnni,
        InstructionSet.Avx2 => CpuFeatures.Avx2,
        InstructionSet.Portable => true,
    };

    internal static InstructionSet Cap(InstructionSet supported, string? name)
    {
        InstructionSet cap = name?.ToLowerInvariant() switch
        {
            "amx" => InstructionSet.Amx,
            null or "" or "avx512vnni" => InstructionSet.Avx512Vnni,
            "avx512" => InstructionSet.Avx512,
            "avxvnni" => InstructionSet.AvxVnni,
            "avx2" => InstructionSet.Avx2,
            "portable" => InstructionSet.Portable,
            _ => throw new Engine.EngineConfigurationException(
                $"{Variable}={name} is not an instruction set; use amx, avx512vnni, avx512, avxvnni, avx2 or portable"),
        };
        if (cap == InstructionSet.Amx && supported == InstructionSet.Avx512Vnni && Has(cap))
        {
            return cap;
        }

        cap = cap < supported ? cap : supported;
        return cap == InstructionSet.AvxVnni && !Has(cap) ? InstructionSet.Avx2 : cap;
    }
}

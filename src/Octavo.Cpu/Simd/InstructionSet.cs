using System.Runtime.Intrinsics.X86;

namespace Octavo.Cpu;

/// <summary>The widest kernels that this process takes, from narrow to wide.</summary>
public enum InstructionSet
{
    /// <summary>Four lanes on any processor, through <c>Vector128</c>.</summary>
    Portable,

    /// <summary>Eight lanes: AVX2 with FMA.</summary>
    Avx2,

    /// <summary>Sixteen lanes: AVX-512 F, BW, DQ and VL.</summary>
    Avx512,
}

/// <summary>Which kernels this process takes, and why.</summary>
public static class ProcessorFeatures
{
    /// <summary>Names that OCTAVO_ISA may have; the variable caps the instruction set, for tests and diagnosis.</summary>
    public const string Variable = "OCTAVO_ISA";

    /// <summary>The widest set that this processor and runtime have.</summary>
    public static InstructionSet Supported { get; } =
        Codegen.CpuFeatures.Avx512 ? InstructionSet.Avx512
        : Avx2.IsSupported && Fma.IsSupported ? InstructionSet.Avx2
        : InstructionSet.Portable;

    /// <summary>The set that kernels take: what is supported, capped by OCTAVO_ISA.</summary>
    /// <exception cref="Octavo.Engine.EngineConfigurationException">OCTAVO_ISA has a value that is not a set's name.</exception>
    public static InstructionSet Selected => Cap(Supported, Environment.GetEnvironmentVariable(Variable));

    internal static InstructionSet Cap(InstructionSet supported, string? name)
    {
        InstructionSet cap = name?.ToLowerInvariant() switch
        {
            null or "" => InstructionSet.Avx512,
            "avx512vnni" or "avx512" => InstructionSet.Avx512,
            "avx2" => InstructionSet.Avx2,
            "portable" => InstructionSet.Portable,
            _ => throw new Engine.EngineConfigurationException(
                $"{Variable}={name} is not an instruction set; use avx512vnni, avx512, avx2 or portable"),
        };
        return cap < supported ? cap : supported;
    }
}

using Octavo.Cpu;

namespace Octavo.Lab.Measuring;

/// <summary>What reports say of where they were measured.</summary>
internal static class ThisMachine
{
    /// <summary>What the kernels are made for.</summary>
    public static string Kernels => new CpuBackend().Kernels;

    /// <summary>What was generated so far.</summary>
    public static (int Functions, long Bytes, TimeSpan Time) GeneratedCode
    {
        get
        {
            GeneratedCode total = Octavo.Cpu.GeneratedCode.Total;
            return (total.Functions, total.Bytes, total.Time);
        }
    }
}

using Octavo.Cpu;
using Octavo.Cpu.Kernels;

namespace Octavo.Cli.Terminal;

/// <summary>What reports call a setting: the word that its option takes.</summary>
internal static class SettingNames
{
    /// <summary>The name that <c>--dtype</c> takes.</summary>
    public static string Of(WeightFormat format) => ModelPlan.SchemeName(format);

    /// <summary>The name that <c>--kv-cache-dtype</c> takes.</summary>
    public static string Of(KvCacheFormat format) => format.ToString().ToLowerInvariant();

    /// <summary>The name that <see cref="ProcessorFeatures.Variable"/> takes.</summary>
    public static string Of(InstructionSet set) => set.ToString().ToLowerInvariant();
}

using Octavo.Cpu;
using Octavo.Engine;

namespace Octavo;

/// <summary>What models can run on here: the one place that knows a backend by its type.</summary>
internal static class Backends
{
    /// <summary>This processor.</summary>
    public static IBackend Default { get; } = new CpuBackend();
}

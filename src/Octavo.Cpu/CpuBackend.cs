using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;

namespace Octavo.Cpu;

/// <summary>Runs models on this processor.</summary>
internal sealed class CpuBackend : IBackend
{
    /// <inheritdoc/>
    public string Kernels => ProcessorFeatures.Selected.ToString().ToLowerInvariant();

    /// <inheritdoc/>
    public IReadOnlyList<(string Name, bool Present)> Features => CpuFeatures.Reported;

    /// <inheritdoc/>
    public IModelPlan Plan(DecoderSpec spec, Checkpoint? checkpoint, PlanRequest request) =>
        new CpuPlan(spec, checkpoint, request);
}

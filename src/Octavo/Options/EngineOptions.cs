using Octavo.Engine;

namespace Octavo;

/// <summary>
/// How a model is loaded and served, by concern. Names, meanings and defaults are vLLM's for a CPU server where it has
/// them.
/// </summary>
/// <remarks>
/// To add an option: a member of the record that it concerns, with its default and its rule there; a row of
/// <c>EngineSettings</c> in Octavo.Cli, by which command line and settings file have it; and whoever acts on it.
/// </remarks>
public sealed record EngineOptions
{
    /// <summary>What is loaded, in which form, and under which name.</summary>
    public ModelOptions Model { get; init; } = new();

    /// <summary>What the key-value cache takes, and in which form.</summary>
    public MemoryOptions Memory { get; init; } = new();

    /// <summary>Who runs in a step and with how much.</summary>
    public SchedulingOptions Scheduling { get; init; } = new();

    /// <summary>How much the engine takes on.</summary>
    public AdmissionOptions Admission { get; init; } = new();

    /// <summary>What holds for the draws of every request.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>What is counted.</summary>
    public MetricsOptions Metrics { get; init; } = new();

    /// <summary>Checks all that can be checked without a model.</summary>
    /// <exception cref="ArgumentNullException">A member is null.</exception>
    /// <exception cref="EngineConfigurationException">Something is wrong; the exception names all that is.</exception>
    public void Validate()
    {
        ParameterFaults.ThrowIfNull(Model);
        ParameterFaults.ThrowIfNull(Memory);
        ParameterFaults.ThrowIfNull(Scheduling);
        ParameterFaults.ThrowIfNull(Admission);
        ParameterFaults.ThrowIfNull(Sampling);
        ParameterFaults.ThrowIfNull(Metrics);
        List<ParameterFault> faults = [];
        Model.Validate(faults);
        Memory.Validate(faults);
        Scheduling.Validate(faults);
        Admission.Validate(faults);
        Sampling.Validate(faults);
        Metrics.Validate(faults);
        faults.ThrowIfAny();
    }
}

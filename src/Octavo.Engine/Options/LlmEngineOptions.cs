namespace Octavo.Engine;

/// <summary>
/// What the engine's core is made with: facts of the model, and the options that are the core's concern.
/// </summary>
internal sealed record LlmEngineOptions
{
    private static readonly ParameterName Length = new(nameof(MaxModelLen));

    /// <summary>The name that metrics carry.</summary>
    public string ModelName { get; init; } = "model";

    /// <summary>The longest sequence, prompt and output together, in tokens.</summary>
    public required int MaxModelLen { get; init; }

    /// <summary>The tokens that end a sequence.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>Who runs in a step and with how much.</summary>
    public SchedulingOptions Scheduling { get; init; } = new();

    /// <summary>How much the engine takes on.</summary>
    public AdmissionOptions Admission { get; init; } = new();

    /// <summary>What holds for the draws of every request.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>What is counted.</summary>
    public MetricsOptions Metrics { get; init; } = new();

    /// <summary>Checks the limits against each other and against the runner.</summary>
    /// <exception cref="EngineConfigurationException">
    /// They cannot work together; the message says what would.
    /// </exception>
    internal void Validate(IModelRunner runner)
    {
        List<ParameterFault> faults = [];
        Scheduling.Validate(faults);
        Admission.Validate(faults);
        Sampling.Validate(faults);
        Metrics.Validate(faults);
        faults.Check(MaxModelLen >= 2, nameof(MaxModelLen), $"must be at least 2", MaxModelLen);
        faults.Check(
            Scheduling.StepTokens <= runner.MaxNumBatchedTokens,
            nameof(SchedulingOptions.MaxNumBatchedTokens),
            $"must be at most the {runner.MaxNumBatchedTokens} tokens that the runner was made for",
            Scheduling.StepTokens);
        long needed = runner.CacheGroups.MostBlocks(MaxModelLen, runner.BlockSize, Scheduling.StepTokens);
        int capacity = runner.CacheGroups.LongestIn(
            runner.NumBlocks, runner.BlockSize, MaxModelLen, Scheduling.StepTokens);
        FormattableString remedy = $"give it more memory, or set {Length} to {capacity} or less";
        faults.Check(
            runner.NumBlocks >= needed,
            $"the key-value cache holds {capacity} tokens, less than one request of {Length} {MaxModelLen}: {remedy}");
        faults.ThrowIfAny();
    }
}

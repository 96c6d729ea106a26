using Octavo.Engine;
using Octavo.Engine.Sampling;

namespace Octavo;

/// <summary>What holds for the draws of every request.</summary>
public sealed record SamplingOptions
{
    /// <summary>The most log-probabilities at a position, unless one says otherwise.</summary>
    public const int DefaultMaxLogprobs = 20;

    /// <summary>Seeds the requests that name no seed.</summary>
    public long Seed { get; init; }

    /// <summary>The most log-probabilities a request may ask for at a position; −1 = any number.</summary>
    public int MaxLogprobs { get; init; } = DefaultMaxLogprobs;

    /// <summary>Hooks over each request's logits.</summary>
    public IReadOnlyList<LogitsProcessorFactory> LogitsProcessors { get; init; } = [];

    /// <summary>Notes all that is wrong.</summary>
    /// <exception cref="ArgumentNullException">The list of hooks, or one of them, is null.</exception>
    public void Validate(ICollection<ParameterFault> faults)
    {
        ParameterFaults.ThrowIfNull(LogitsProcessors);
        foreach (LogitsProcessorFactory processor in LogitsProcessors)
        {
            ParameterFaults.ThrowIfNull(processor, nameof(LogitsProcessors));
        }

        faults.Check(MaxLogprobs >= -1, nameof(MaxLogprobs), $"must be -1 (any number), or 0 or more", MaxLogprobs);
    }
}

using Octavo.Engine;

namespace Octavo;

/// <summary>How much the engine takes on: without limits, unless one says otherwise.</summary>
public sealed record AdmissionOptions
{
    /// <summary>
    /// The most requests that wait; more are refused (<see cref="EngineOverloadedException"/>). Null refuses none for
    /// that.
    /// </summary>
    public int? MaxQueue { get; init; }

    /// <summary>
    /// Requests are refused that would wait longer than this to be taken up, by the engine's estimate; null refuses
    /// none for that.
    /// </summary>
    public TimeSpan? MaxQueueWait { get; init; }

    /// <summary>How long a request may take in all; null is without limit.</summary>
    public TimeSpan? RequestTimeout { get; init; }

    /// <summary>Notes all that is wrong.</summary>
    public void Validate(ICollection<ParameterFault> faults)
    {
        faults.Check(MaxQueue is null or >= 0, nameof(MaxQueue), $"must be at least 0", MaxQueue);
        faults.Check(
            MaxQueueWait is null || MaxQueueWait >= TimeSpan.Zero,
            nameof(MaxQueueWait),
            $"must not be negative",
            MaxQueueWait);
        faults.Check(
            RequestTimeout is null || RequestTimeout > TimeSpan.Zero,
            nameof(RequestTimeout),
            $"must be above 0",
            RequestTimeout);
    }
}

using Octavo.Lab.Workloads;

namespace Octavo.Lab.Tuning;

/// <summary>One run of a load under one setting.</summary>
/// <param name="Stage">The part of the search it belongs to.</param>
/// <param name="Round">Which repetition; each draws other requests.</param>
/// <param name="Setting">What runs.</param>
/// <param name="Requests">Requests of the load.</param>
/// <param name="Seconds">
/// How long it is expected to take. A run that takes far longer is called off, and what has not ended counts as failed.
/// </param>
internal sealed record TuneTrial(string Stage, int Round, BatchSetting Setting, int Requests, double Seconds)
{
    /// <summary>The stage that finds out how fast the machine is.</summary>
    public const string WarmUp = "warm-up";

    /// <summary>The stage of those that the search left.</summary>
    public const string Final = "final";

    /// <summary>The stage of the best setting against the next.</summary>
    public const string Confirm = "confirm";

    private const double Patience = 2;
    // Their speed is known, so that a longer run is the machine's fault.
    private const double PatienceForFinalists = 3;

    /// <summary>When a run is called off, in seconds.</summary>
    public double Limit =>
        Seconds * Stage switch { WarmUp => 1, Confirm or Final => PatienceForFinalists, _ => Patience };

    /// <summary>True where all requests come at once, whatever the load says.</summary>
    public bool AtOnce => Stage == WarmUp;
}

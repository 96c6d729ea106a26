namespace Octavo.Engine.Scheduling;

/// <summary>One request's part in a step: tokens <c>Start … Start + NumTokens − 1</c> of its sequence are computed.</summary>
internal readonly record struct ScheduledRequest(Request Request, int Start, int NumTokens)
{
    /// <summary>True where the step computes the sequence's last token, so that the next one can be drawn.</summary>
    public bool ReachesEnd => Start + NumTokens == Request.NumTokens;

    /// <summary>True unless the sequence's last token is all that is computed.</summary>
    public bool IsPrefill => NumTokens > 1 || !ReachesEnd;
}

/// <summary>What one step computes. The scheduler owns and reuses the object: it is valid until the next plan.</summary>
internal sealed class StepPlan
{
    private readonly List<ScheduledRequest> _requests = [];

    public IReadOnlyList<ScheduledRequest> Requests => _requests;

    public int NumTokens { get; private set; }

    /// <summary>Tokens of chunks of more than one, and how many such chunks.</summary>
    public int NumPrefillTokens { get; private set; }

    public int NumPrefilling { get; private set; }

    /// <summary>Tokens of requests that score their prompts.</summary>
    public int NumScoredTokens { get; private set; }

    /// <summary>Requests that lost their blocks while this plan was made.</summary>
    public int NumPreempted { get; private set; }

    public bool IsEmpty => _requests.Count == 0;

    internal void Clear()
    {
        _requests.Clear();
        (NumTokens, NumPrefillTokens, NumPrefilling, NumScoredTokens, NumPreempted) = (0, 0, 0, 0, 0);
    }

    internal void Add(ScheduledRequest scheduled)
    {
        _requests.Add(scheduled);
        NumTokens += scheduled.NumTokens;
        NumPrefillTokens += scheduled.IsPrefill ? scheduled.NumTokens : 0;
        NumPrefilling += scheduled.IsPrefill ? 1 : 0;
        NumScoredTokens += scheduled.Request.ScoresPrompt ? scheduled.NumTokens : 0;
    }

    internal void CountPreemption() => NumPreempted++;
}

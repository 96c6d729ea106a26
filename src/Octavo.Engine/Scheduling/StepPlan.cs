using Octavo.Engine.Sequences;

namespace Octavo.Engine.Scheduling;

/// <summary>One sequence's part in a step: its tokens <c>Start … Start + NumTokens − 1</c> are computed.</summary>
internal readonly record struct ScheduledSequence<T>(T Sequence, int Start, int NumTokens)
    where T : Sequence
{
    /// <summary>True where the step computes the sequence's last token, so that the next one can be drawn.</summary>
    public bool ReachesEnd => Start + NumTokens == Sequence.NumTokens;

    /// <summary>True unless the sequence's last token is all that is computed.</summary>
    public bool IsPrefill => NumTokens > 1 || !ReachesEnd;
}

/// <summary>
/// What one step computes. The scheduler owns and reuses the object: it is valid until the next plan.
/// </summary>
internal sealed class StepPlan<T>
    where T : Sequence
{
    private readonly List<ScheduledSequence<T>> _sequences = [];

    public IReadOnlyList<ScheduledSequence<T>> Sequences => _sequences;

    public int NumTokens { get; private set; }

    /// <summary>Tokens of chunks of more than one, and how many such chunks.</summary>
    public int NumPrefillTokens { get; private set; }

    public int NumPrefilling { get; private set; }

    /// <summary>Tokens of requests that score their prompts.</summary>
    public int NumScoredTokens { get; private set; }

    /// <summary>Requests that lost their blocks while this plan was made.</summary>
    public int NumPreempted { get; private set; }

    public bool IsEmpty => _sequences.Count == 0;

    internal void Clear()
    {
        _sequences.Clear();
        (NumTokens, NumPrefillTokens, NumPrefilling, NumScoredTokens, NumPreempted) = (0, 0, 0, 0, 0);
    }

    internal void Add(ScheduledSequence<T> scheduled)
    {
        _sequences.Add(scheduled);
        NumTokens += scheduled.NumTokens;
        NumPrefillTokens += scheduled.IsPrefill ? scheduled.NumTokens : 0;
        NumPrefilling += scheduled.IsPrefill ? 1 : 0;
        NumScoredTokens += scheduled.Sequence.ScoresPrompt ? scheduled.NumTokens : 0;
    }

    internal void CountPreemption() => NumPreempted++;
}

using System.Diagnostics;
using Octavo.Engine.Blocks;
using Octavo.Engine.Sequences;

namespace Octavo.Engine.Scheduling;

/// <summary>The limits of one step.</summary>
/// <param name="MaxNumSeqs">The most requests that run at once.</param>
/// <param name="MaxNumBatchedTokens">The most tokens one step computes; at least <paramref name="MaxNumSeqs"/>.</param>
/// <param name="MaxScoredTokens">
/// The most tokens of requests that score their prompts: each of them needs a row of logits. A running request takes
/// one all the same.
/// </param>
/// <param name="MaxPrefillTokens">
/// The most tokens of requests that have more than one to compute. The first running request takes one all the same.
/// </param>
/// <param name="LongPromptTokens">
/// A request that has more tokens than this to compute takes at most half of what the step has left for prompts while
/// another one has a prompt to compute, so that no long prompt blocks a short one.
/// </param>
/// <param name="LateBefore">
/// A request that came before this and has no token yet is too late for its first-token target. It yields to those that
/// are not; but one admission in <see cref="Scheduler{T}.LateTurn"/> is that of the first late one.
/// </param>
internal readonly record struct StepLimits(
    int MaxNumSeqs,
    int MaxNumBatchedTokens,
    int MaxScoredTokens = int.MaxValue,
    int MaxPrefillTokens = int.MaxValue,
    int LongPromptTokens = int.MaxValue,
    double LateBefore = double.NegativeInfinity)
{
    /// <summary>The limits that options set, of an engine and of a simulated one.</summary>
    public static StepLimits Of(SchedulingOptions options) => new(options.MaxNumSeqs, options.StepTokens);
}

/// <summary>
/// Decides what each step computes: continuous batching with chunked prefill, as in vLLM's scheduler. A pure state
/// machine: no clock, no threads, no I/O, no randomness.
/// </summary>
/// <remarks>
/// Both queues are ordered by (rank, arrival), so the first running request is never the one to be preempted and
/// always makes progress: with a pool that holds one sequence of the greatest length, every request ends.
/// </remarks>
internal sealed class Scheduler<T>(KvCacheManager cache)
    where T : Sequence
{
    /// <summary>While late requests wait, one of so many admissions is theirs.</summary>
    public const int LateTurn = 8;

    private const int SparedPreemptions = 3;

    private readonly SortedSet<T> _waiting = new(Sequence.Order.Instance);
    private readonly SortedSet<T> _late = new(Sequence.Order.Instance);      // waiting, too, and yielding to _waiting
    private readonly List<T> _running = [];
    // Admissions since a late one had its turn.
    private int _passedLate;
    private readonly StepPlan<T> _plan = new();

    public IReadOnlyList<T> Running => _running;

    public int NumWaiting => _waiting.Count + _late.Count;

    public IEnumerable<T> Waiting => _late.Concat(_waiting);

    /// <summary>Tokens of the waiting requests.</summary>
    public long WaitingTokens { get; private set; }

    public bool HasWork => _running.Count + NumWaiting > 0;

    public void Add(T sequence)
    {
        sequence.Status = SequenceStatus.Waiting;
        Enqueue(sequence);
    }

    /// <summary>Ends a request, wherever it stands, and takes its blocks back.</summary>
    public void Finish(T sequence)
    {
        if (sequence.Status == SequenceStatus.Running)
        {
            _running.Remove(sequence);
        }
        else if (sequence.Status != SequenceStatus.Finished)
        {
            Dequeue(sequence);
        }

        cache.Release(sequence);
        sequence.Status = SequenceStatus.Finished;
    }

    /// <summary>Plans the next step and counts its tokens as scheduled; a plan is valid until the next call.</summary>
    public StepPlan<T> Schedule(StepLimits limits)
    {
        _plan.Clear();
        ScheduleRunning(limits);
        if (_plan.NumPreempted == 0)
        {
            ScheduleWaiting(limits);
        }

        return _plan;
    }

    /// <summary>A step that had tokens of this running sequence is over: they stay, and others may find them.</summary>
    public void Accept(T sequence)
    {
        sequence.NumAcceptedTokens = Math.Max(sequence.NumAcceptedTokens, sequence.NumScheduledTokens);
        cache.Accept(sequence);
    }

    /// <summary>Throws unless blocks, queues and states agree; between two steps.</summary>
    public void CheckIntegrity()
    {
        cache.Pool.CheckIntegrity(_running.Concat(Waiting).SelectMany(r => r.Tables).Select(table => table.Blocks));
        if (_running.Any(r => r.Status != SequenceStatus.Running)
            || Waiting.Any(r => r.Status is not (SequenceStatus.Waiting or SequenceStatus.Preempted))
            || Waiting.Any(r => r.Tables.Any(table => table.Blocks.Count > 0)))
        {
            throw new InvalidOperationException("scheduler: a sequence stands in the wrong queue");
        }

        if (_running.Any(r => r.NumScheduledTokens > r.NumAcceptedTokens || r.NumAcceptedTokens > r.NumTokens))
        {
            throw new InvalidOperationException("scheduler: a step is over, and its tokens are not accepted");
        }

        if (WaitingTokens != Waiting.Sum(r => (long)r.NumTokens))
        {
            throw new InvalidOperationException("scheduler: the waiting tokens are miscounted");
        }
    }

    private void ScheduleRunning(StepLimits limits)
    {
        for (int i = 0; i < _running.Count && _plan.NumTokens < limits.MaxNumBatchedTokens; i++)
        {
            T sequence = _running[i];
            int budget = limits.MaxNumBatchedTokens - _plan.NumTokens;

            // One token stays for each request behind this one, so that a long prompt does not halt their decoding.
            int share = Math.Max(1, budget - (_running.Count - i - 1));
            int chunk = Chunk(sequence, share, limits);
            if (chunk == 0)
            {
                continue;                                  // the prompts before it have taken what there was
            }

            bool fits = cache.TryGrow(sequence, chunk);
            while (!fits && sequence.Status == SequenceStatus.Running)
            {
                Preempt(ChooseVictim(i, chunk));
                fits = sequence.Status == SequenceStatus.Running && cache.TryGrow(sequence, chunk);
            }

            if (fits)
            {
                Take(sequence, chunk);
            }
        }
    }

    private void ScheduleWaiting(StepLimits limits)
    {
        SetLateAside(limits.LateBefore);
        while (NextWaiting() is { } sequence
            && _running.Count < limits.MaxNumSeqs
            && _plan.NumTokens < limits.MaxNumBatchedTokens)
        {
            int budget = limits.MaxNumBatchedTokens - _plan.NumTokens;
            if (PrefillLeft(limits) == 0)
            {
                break;
            }

            int chunk = 0;
            if (!cache.TryAdmit(sequence, r => chunk = Chunk(r, budget, limits), keepWatermark: !_plan.IsEmpty))
            {
                break;
            }

            _passedLate = _late.Count == 0 || _late.Contains(sequence) ? 0 : _passedLate + 1;
            Dequeue(sequence);
            int place = _running.BinarySearch(sequence, Sequence.Order.Instance);
            _running.Insert(~place, sequence);
            sequence.Status = SequenceStatus.Running;
            Take(sequence, chunk);
        }
    }

    private void SetLateAside(double lateBefore)
    {
        while (_waiting.Min is { } first && first.ArrivalSeconds < lateBefore && first.NumOutputTokens == 0)
        {
            _waiting.Remove(first);
            _late.Add(first);
        }
    }

    private T? NextWaiting() =>
        _late.Count > 0 && (_waiting.Count == 0 || _passedLate >= LateTurn - 1) ? _late.Min : _waiting.Min;

    private int Chunk(Sequence sequence, int budget, StepLimits limits)
    {
        int missing = sequence.NumTokens - sequence.NumScheduledTokens;
        int chunk = Math.Min(missing, budget);
        if (missing > 1)
        {
            int left = PrefillLeft(limits);
            bool shares = missing > limits.LongPromptTokens && AnotherHasPrompt(sequence);
            chunk = Math.Min(chunk, shares ? (left + 1) / 2 : left);
        }

        if (chunk == 0)
        {
            return 0;
        }

        return sequence.ScoresPrompt ? Math.Clamp(limits.MaxScoredTokens - _plan.NumScoredTokens, 1, chunk) : chunk;
    }

    private int PrefillLeft(StepLimits limits) =>
        Math.Max(_plan.IsEmpty ? 1 : 0, limits.MaxPrefillTokens - _plan.NumPrefillTokens);

    private bool AnotherHasPrompt(Sequence sequence) =>
        NumWaiting > (sequence.Status == SequenceStatus.Running ? 0 : 1)
        || _running.Exists(r => r != sequence && r.NumTokens - r.NumScheduledTokens > 1);

    private void Enqueue(T sequence)
    {
        _waiting.Add(sequence);
        WaitingTokens += sequence.NumTokens;
    }

    private void Dequeue(T sequence)
    {
        if (_waiting.Remove(sequence) || _late.Remove(sequence))
        {
            WaitingTokens -= sequence.NumTokens;
        }
    }

    private void Take(T sequence, int chunk)
    {
        _plan.Add(new ScheduledSequence<T>(sequence, sequence.NumScheduledTokens, chunk));
        sequence.NumScheduledTokens += chunk;
    }

    /// <summary>
    /// Who makes room for the request at <paramref name="index"/>: of those behind it that have the lowest priority,
    /// the one that loses least among those that free enough; the last where none does. Who was preempted often is
    /// spared.
    /// </summary>
    private T ChooseVictim(int index, int chunk)
    {
        T victim = _running[^1];
        int needed = cache.CountMissing(_running[index], chunk);
        int least = int.MaxValue;
        for (int i = _running.Count - 1; i > index; i--)
        {
            T candidate = _running[i];
            int freed = cache.CountSole(candidate);
            if (candidate.Priority == victim.Priority
                && candidate.NumPreemptions < SparedPreemptions
                && freed >= needed
                && freed < least)
            {
                (victim, least) = (candidate, freed);
            }
        }

        return victim;
    }

    private void Preempt(T victim)
    {
        // Blocks that this step publishes stand in the cache before they are computed (decision 14).
        Debug.Assert(_plan.Sequences.All(s => s.Sequence != victim), "what is scheduled stays scheduled");
        _running.Remove(victim);
        cache.Release(victim);
        victim.NumScheduledTokens = 0;
        victim.NumPreemptions++;
        victim.Status = SequenceStatus.Preempted;
        Enqueue(victim);
        _plan.CountPreemption();
    }
}

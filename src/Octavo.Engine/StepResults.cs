using Octavo.Engine.Output;
using Octavo.Engine.Sampling;
using Octavo.Engine.Scheduling;

namespace Octavo.Engine;

/// <summary>
/// Which rows of logits belong to whom in a step, and what becomes of them: prompt scores and new tokens.
/// </summary>
internal sealed class StepResults(
    StepBatch batch,
    int vocabSize,
    int maxModelLen,
    IReadOnlyList<int> eosTokenIds,
    Scheduler<Completion> scheduler,
    RequestsInFlight requests,
    EngineMetrics metrics,
    IWorkTeam team)
{
    // Fewer logits than this are looked at sooner by one thread than by a team that has to meet.
    private const int LeastShared = 16 * 1024;

    private readonly Sampler[] _samplers = [.. Enumerable.Range(0, team.Members).Select(_ => new Sampler(vocabSize))];
    private readonly List<RowTask> _tasks = [];
    private Action<int, int>? _work;
    private readonly List<int> _firstRows = [];            // plan's sequence -> its first row of logits
    private float[] _logits = [];

    /// <summary>What the runner is to compute.</summary>
    public StepBatch Batch => batch;

    /// <summary>Where the runner puts the batch's logits.</summary>
    public Span<float> Logits => _logits.AsSpan(0, Batch.LogitsRows.Length * vocabSize);

    /// <summary>Fills the batch of a plan, and makes room for its logits.</summary>
    public void Prepare(StepPlan<Completion> plan)
    {
        Batch.Clear();
        _firstRows.Clear();
        foreach (ScheduledSequence<Completion> scheduled in plan.Sequences)
        {
            Completion completion = scheduled.Sequence;
            ReadOnlySpan<int> tokens = completion.Tokens.Slice(scheduled.Start, scheduled.NumTokens);
            int rows = Math.Max(CountPromptRows(completion, scheduled), scheduled.ReachesEnd ? 1 : 0);
            _firstRows.Add(Batch.AddSequence(tokens, scheduled.Start, completion.Tables, rows));
        }

        int needed = checked(Batch.LogitsRows.Length * vocabSize);
        if (_logits.Length < needed)
        {
            _logits = GC.AllocateUninitializedArray<float>(Math.Max(needed, _logits.Length * 2), pinned: true);
        }
    }

    /// <summary>Scores prompts and draws tokens from what the runner computed for a prepared plan.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="started">When its step began.</param>
    /// <param name="now">When the runner was through with it.</param>
    public void Sample(StepPlan<Completion> plan, long started, long now)
    {
        _tasks.Clear();
        for (int i = 0; i < plan.Sequences.Count; i++)
        {
            ScheduledSequence<Completion> scheduled = plan.Sequences[i];
            scheduled.Sequence.MarkScheduled(started);
            if (!scheduled.Sequence.IsFinished)            // a sibling may have failed earlier in this loop
            {
                scheduler.Accept(scheduled.Sequence);
                AddPromptRows(scheduled, _firstRows[i]);
                if (scheduled.ReachesEnd)
                {
                    AddDraw(scheduled.Sequence, LastRowOf(i, plan), now);
                }
            }
        }

        bool isShared = _tasks.Count > 1 && _tasks.Count * (long)vocabSize >= LeastShared;
        (isShared ? team : CallerOnly.Instance).For(_tasks.Count, _work ??= RunTask);
        foreach (RowTask task in _tasks)
        {
            Finish(task, now);
        }
    }

    private void AddPromptRows(ScheduledSequence<Completion> scheduled, int row)
    {
        RequestGroup group = scheduled.Sequence.Group;
        int rows = CountPromptRows(scheduled.Sequence, scheduled);
        for (int position = group.NextPromptRow; rows > 0 && position < group.EndPromptRow; position++, rows--)
        {
            _tasks.Add(new RowTask(scheduled.Sequence, row++) { PromptPosition = position });
        }
    }

    // Hooks are the user's: they run here, one after another, and what one of them throws ends its own request.
    private void AddDraw(Completion completion, int row, long now)
    {
        var task = new RowTask(completion, row);
        if (completion.Sampling.Processors.Count > 0)
        {
            try
            {
                Span<float> logits = Row(row);
                _samplers[0].RequireFinite(logits, completion.NumTokens - 1);
                task.Computed = completion.Group.Parameters.WantsLogprobs ? logits.ToArray() : [];
                completion.Sampling.CallHooks(completion.OutputTokens, logits);
            }
            catch (Exception e)
            {
                requests.Fail(completion.Group, e, now);
                return;
            }
        }

        _tasks.Add(task);
    }

    // On any thread of the team: touches nothing but the task, its row, and its completion's own sampling.
    private void RunTask(int index, int member)
    {
        RowTask task = _tasks[index];
        Completion completion = task.Completion;
        try
        {
            if (task.PromptPosition is { } position)
            {
                Span<float> logits = Row(task.Row);
                task.Score = completion.Group.Score(position, logits, _samplers[member].LookAt(logits, position));
            }
            else if (!completion.IsFinished)
            {
                task.Token = _samplers[member].Sample(
                    completion.Sampling,
                    completion.OutputTokens,
                    Row(task.Row),
                    task.Computed,
                    completion.NumTokens - 1,
                    out PositionLogprobs? logprobs);
                task.Logprobs = logprobs;
            }
        }
        catch (Exception e)
        {
            task.Error = e;                                // told in Finish, in the plan's order
        }
    }

    private void Finish(RowTask task, long now)
    {
        Completion completion = task.Completion;
        if (completion.IsFinished)
        {
            return;                                        // it, or a sibling, has failed
        }

        try
        {
            if (task.Error is { } error)
            {
                // What one request's parameters break is that request's affair; the others go on.
                requests.Fail(completion.Group, error, now);
            }
            else if (task.PromptPosition is not null)
            {
                completion.Group.Accept(task.Score);
            }
            else
            {
                Accept(completion, task, now);
            }
        }
        catch (Exception e)
        {
            requests.Fail(completion.Group, e, now);
        }
    }

    private void Accept(Completion completion, RowTask task, long now)
    {
        completion.Accept(task.Token, task.Logprobs, maxModelLen, eosTokenIds);
        metrics.RecordToken(completion, now);
        if (completion.IsFinished)
        {
            requests.Retire(completion, now);
        }

        requests.MarkChanged(completion.Group);
    }

    /// <summary>
    /// How many rows, counted back from the chunk's last token, hold prompt positions still to be scored.
    /// </summary>
    private static int CountPromptRows(Completion completion, ScheduledSequence<Completion> scheduled)
    {
        RequestGroup group = completion.Group;
        int end = scheduled.Start + scheduled.NumTokens;
        bool scores = completion.Index == 0 && group.NextPromptRow < Math.Min(group.EndPromptRow, end);
        return scores ? end - group.NextPromptRow : 0;
    }

    private Span<float> Row(int row) => _logits.AsSpan(row * vocabSize, vocabSize);

    /// <summary>The last row of a planned request: that of its last token.</summary>
    private int LastRowOf(int index, StepPlan<Completion> plan)
    {
        int next = index + 1 < plan.Sequences.Count ? _firstRows[index + 1] : Batch.LogitsRows.Length;
        return next - 1;
    }

    /// <summary>What is to be done with one row of logits, and what came of it.</summary>
    private sealed class RowTask(Completion completion, int row)
    {
        public Completion Completion { get; } = completion;

        public int Row { get; } = row;

        /// <summary>The prompt's position that the row belongs to; null where a token is drawn.</summary>
        public int? PromptPosition { get; init; }

        /// <summary>The row as it was before hooks, where that is asked for; else empty.</summary>
        public float[] Computed { get; set; } = [];

        public PromptScore Score { get; set; }

        public int Token { get; set; }

        public PositionLogprobs? Logprobs { get; set; }

        public Exception? Error { get; set; }
    }
}

using System.Runtime.InteropServices;
using Octavo.Engine.Output;
using Octavo.Engine.Sampling;
using Octavo.Engine.Scheduling;

namespace Octavo.Engine;

/// <summary>
/// Which rows of logits belong to whom in a step, and what becomes of them: prompt scores and new tokens.
/// </summary>
internal sealed class StepResults(
    int blockSize,
    int vocabSize,
    int maxModelLen,
    IReadOnlyList<int> eosTokenIds,
    Scheduler<Completion> scheduler,
    RequestsInFlight requests,
    EngineMetrics metrics)
{
    private readonly Sampler _sampler = new(vocabSize);
    private readonly List<int> _firstRows = [];            // plan's sequence -> its first row of logits
    private float[] _logits = [];

    /// <summary>What the runner is to compute.</summary>
    public StepBatch Batch { get; } = new(blockSize);

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
            _firstRows.Add(Batch.AddSequence(
                tokens, scheduled.Start, CollectionsMarshal.AsSpan(completion.Table.Blocks), rows));
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
        for (int i = 0; i < plan.Sequences.Count; i++)
        {
            ScheduledSequence<Completion> scheduled = plan.Sequences[i];
            Completion completion = scheduled.Sequence;
            completion.MarkScheduled(started);
            if (completion.IsFinished)
            {
                continue;                                  // a sibling failed earlier in this loop
            }

            scheduler.Accept(completion);
            try
            {
                ScorePrompt(completion, scheduled, _firstRows[i]);
                if (scheduled.ReachesEnd)
                {
                    SampleOne(completion, RowOf(i, plan), now);
                }
            }
            catch (Exception e)
            {
                // What one request's parameters or hooks break is that request's affair; the others go on.
                requests.Fail(completion.Group, e, now);
            }
        }
    }

    private void ScorePrompt(Completion completion, ScheduledSequence<Completion> scheduled, int row)
    {
        RequestGroup group = completion.Group;
        int rows = CountPromptRows(completion, scheduled);
        for (; rows > 0 && group.NextPromptRow < group.EndPromptRow; rows--)
        {
            RequireFinite(Row(row), group.NextPromptRow);
            group.AcceptPromptRow(Row(row++));
        }
    }

    // Looked at before penalties and hooks, whose doing it might be afterwards.
    private static void RequireFinite(ReadOnlySpan<float> logits, int position)
    {
        float max = VectorMath.Max(logits);
        if (!float.IsFinite(max))
        {
            throw new ModelOutputException(
                $"the model computed logits that are not finite (the greatest after token {position} is {max}): "
                + "its weights are damaged, or their type is too narrow");
        }
    }

    private void SampleOne(Completion completion, Span<float> logits, long now)
    {
        RequireFinite(logits, completion.NumTokens - 1);
        int token = _sampler.Sample(
            completion.Sampling, completion.OutputTokens, logits, out PositionLogprobs? logprobs);
        completion.Accept(token, logprobs, maxModelLen, eosTokenIds);
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
    private Span<float> RowOf(int index, StepPlan<Completion> plan)
    {
        int next = index + 1 < plan.Sequences.Count ? _firstRows[index + 1] : Batch.LogitsRows.Length;
        return Row(next - 1);
    }
}

using Octavo.Engine.Admission;
using Octavo.Engine.Batching;
using Octavo.Engine.Output;
using Octavo.Engine.Scheduling;

namespace Octavo.Engine;

/// <summary>The requests that the engine has taken in: how they end, and what their callers hear.</summary>
internal sealed class RequestsInFlight(
    Scheduler<Completion> scheduler,
    BatchController<Completion> batching,
    AdmissionControl admission,
    EngineMetrics metrics,
    TimeProvider time)
{
    private readonly Dictionary<string, RequestGroup> _groups = new(StringComparer.Ordinal);
    private readonly List<RequestGroup> _changed = [];

    /// <summary>Completions that have not ended.</summary>
    public int NumUnfinished => _groups.Values.Sum(g => g.Completions.Count(c => !c.IsFinished));

    public bool Contains(string id) => _groups.ContainsKey(id);

    public void Add(RequestGroup group) => _groups.Add(group.Id, group);

    /// <summary>Calls a request off and says so to its caller; false where it is not in flight.</summary>
    public bool TryAbort(string id)
    {
        if (!_groups.TryGetValue(id, out RequestGroup? group))
        {
            return false;
        }

        long now = time.GetTimestamp();
        foreach (Completion completion in group.Completions.Where(c => !c.IsFinished))
        {
            completion.End(FinishReason.Abort, null);
            Retire(completion, now);
        }

        EmitAndForget(group);
        return true;
    }

    /// <summary>Ends all of a request because something is wrong with it.</summary>
    public void Fail(RequestGroup group, Exception error, long now)
    {
        foreach (Completion completion in group.Completions.Where(c => !c.IsFinished))
        {
            completion.Fail(error);
            Retire(completion, now);
        }

        MarkChanged(group);
    }

    /// <summary>Gives back what a completion held that has just ended.</summary>
    public void Retire(Completion completion, long now)
    {
        scheduler.Finish(completion);
        batching.Ended(completion);
        admission.Leave(completion.Group.Request.Options.Client);
        metrics.RecordFinished(completion, now);
    }

    /// <summary>There may be something to tell a request's caller.</summary>
    public void MarkChanged(RequestGroup group)
    {
        if (_changed.Count == 0 || _changed[^1] != group)
        {
            _changed.Add(group);
        }
    }

    /// <summary>Tells callers what has changed, and forgets the requests that have ended.</summary>
    public void Emit()
    {
        foreach (RequestGroup group in _changed.Where(g => !g.IsForgotten))
        {
            EmitAndForget(group);
        }

        _changed.Clear();
    }

    private void EmitAndForget(RequestGroup group)
    {
        group.Emit(time);
        if (group.IsFinished)
        {
            group.IsForgotten = true;
            _groups.Remove(group.Id);
        }
    }
}

using System.Diagnostics.CodeAnalysis;
using Octavo.Engine.Batching;
using Octavo.Engine.Output;
using Octavo.Engine.Scheduling;

namespace Octavo.Engine.Admission;

/// <summary>
/// Who may come in, in which order, and for how long: limits of the queue, fair shares of clients, and deadlines.
/// </summary>
internal sealed class AdmissionControl(
    AdmissionOptions limits,
    FairShare shares,
    Scheduler<Completion> scheduler,
    BatchController<Completion> batching,
    TimeProvider time)
{
    private readonly PriorityQueue<RequestGroup, long> _deadlines = new();     // timestamp -> whose time is up then
    private int _waiting;                              // for other threads, as of the newest change
    private double _expectedWait;

    /// <summary>Refuses where the queue is too long for one more. Callable from any thread.</summary>
    /// <param name="pending">Requests that have not come in yet, but will.</param>
    /// <exception cref="EngineOverloadedException">It is; the exception says when it may be shorter.</exception>
    public void CheckQueue(int pending)
    {
        int waiting = Volatile.Read(ref _waiting) + pending;
        var expected = TimeSpan.FromSeconds(Volatile.Read(ref _expectedWait));
        if (limits.MaxQueue is { } most && waiting > 0 && waiting >= most)
        {
            throw Overloaded($"{waiting} requests wait already, the most that may (max_queue)");
        }

        if (limits.MaxQueueWait is { } longest && expected > longest)
        {
            throw Overloaded(
                $"a request would wait about {expected.TotalSeconds:F0} s to be taken up, "
                + $"longer than max_queue_wait allows ({longest.TotalSeconds:F0} s)");
        }

        EngineOverloadedException Overloaded(string message) =>
            new(message, expected > TimeSpan.FromSeconds(1) ? expected : TimeSpan.FromSeconds(1));
    }

    /// <summary>Gives a request's completions their places in the queue, and the request its deadline.</summary>
    public void Enter(RequestGroup group)
    {
        double cost = batching.EstimateCost(group.PromptTokenIds.Length);
        foreach (Completion completion in group.Completions)
        {
            RequestOptions options = group.Request.Options;
            completion.Rank = shares.Enter(options.Client, options.Priority, completion.ArrivalSeconds, cost);
            scheduler.Add(completion);
        }

        if (limits.RequestTimeout is { } timeout)
        {
            _deadlines.Enqueue(group, group.ArrivalTimestamp + (long)(timeout.TotalSeconds * time.TimestampFrequency));
        }
    }

    /// <summary>A completion of this client has ended.</summary>
    public void Leave(string? client) => shares.Leave(client);

    /// <summary>The next request whose time is up while it is in flight.</summary>
    /// <param name="now">The time, in the clock's timestamps.</param>
    /// <param name="overdue">The request.</param>
    /// <param name="error">What to tell its caller.</param>
    public bool TryTakeOverdue(
        long now, [NotNullWhen(true)] out RequestGroup? overdue, [NotNullWhen(true)] out RequestTimeoutException? error)
    {
        while (_deadlines.TryPeek(out overdue, out long deadline) && (overdue.IsForgotten || deadline <= now))
        {
            _deadlines.Dequeue();
            if (!overdue.IsForgotten)
            {
                double seconds = limits.RequestTimeout!.Value.TotalSeconds;
                error = new RequestTimeoutException($"the request did not end within {seconds:G4} s (request_timeout)");
                return true;
            }
        }

        (overdue, error) = (null, null);
        return false;
    }

    /// <summary>Takes note of how long the queue is now, for <see cref="CheckQueue"/>.</summary>
    public void Update()
    {
        Volatile.Write(ref _waiting, scheduler.NumWaiting);
        Volatile.Write(ref _expectedWait, batching.EstimateWait());
    }
}

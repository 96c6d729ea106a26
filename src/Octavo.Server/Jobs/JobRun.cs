using System.Threading.Channels;

namespace Octavo.Server.Jobs;

/// <summary>All prompts of one job on their way through the engine; disposing it calls off what still runs.</summary>
internal sealed class JobRun : IAsyncDisposable
{
    private readonly CancellationTokenSource _cancellation;
    private readonly Channel<JobEvent> _events =
        Channel.CreateUnbounded<JobEvent>(new UnboundedChannelOptions { SingleReader = true });

    private readonly List<Task> _pumps = [];

    private JobRun(CancellationToken cancellationToken) =>
        _cancellation = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);

    /// <summary>Submits every prompt; where one is refused, none stays behind.</summary>
    public static async Task<JobRun> StartAsync(AsyncEngine engine, Job job, CancellationToken cancellationToken)
    {
        var run = new JobRun(cancellationToken);
        try
        {
            for (int i = 0; i < job.Requests.Count; i++)
            {
                run._pumps.Add(run.PumpAsync(i, job.Beams is { } beams
                    ? BeamSearchRun.RunAsync(engine, job.Prompts[i], beams, run._cancellation.Token)
                    : engine.RunAsync(job.Requests[i], run._cancellation.Token)));
            }
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }

        _ = run.CompleteAsync();
        return run;
    }

    /// <summary>
    /// Outputs as they come, and a silence after each interval in which none came; a cancelled run ends in an exception.
    /// </summary>
    /// <param name="silence">The interval; zero never yields a silence.</param>
    /// <param name="time">The clock.</param>
    public async IAsyncEnumerable<JobEvent> ReadAsync(TimeSpan silence, TimeProvider time)
    {
        TimeSpan interval = silence > TimeSpan.Zero ? silence : Timeout.InfiniteTimeSpan;
        await using ITimer timer = time.CreateTimer(_ => _events.Writer.TryWrite(default), null, interval, interval);
        await foreach (JobEvent happened in _events.Reader.ReadAllAsync(CancellationToken.None))
        {
            yield return happened;
            if (happened.Output is not null)
            {
                timer.Change(interval, interval);
            }
        }
    }

    /// <summary>Each prompt's last output.</summary>
    public async Task<RequestOutput[]> ReadFinalAsync()
    {
        var final = new RequestOutput[_pumps.Count];
        await foreach (JobEvent happened in _events.Reader.ReadAllAsync(CancellationToken.None))
        {
            final[happened.Prompt] = happened.Output!;
        }

        return final;
    }

    public async ValueTask DisposeAsync()
    {
        await _cancellation.CancelAsync();
        await Task.WhenAll(_pumps);
        _cancellation.Dispose();
    }

    // Enumerating begins at once, so that cancelling always finds an enumeration to end. Never fails itself.
    private async Task PumpAsync(int prompt, IAsyncEnumerable<RequestOutput> outputs)
    {
        try
        {
            await foreach (RequestOutput output in outputs)
            {
                _events.Writer.TryWrite(new JobEvent(prompt, output));
            }
        }
        catch (Exception e)
        {
            // One prompt's failure is the request's.
            _events.Writer.TryComplete(e);
        }
    }

    private async Task CompleteAsync()
    {
        await Task.WhenAll(_pumps);
        _events.Writer.TryComplete();
    }
}

using System.Threading.Channels;
using Octavo.Engine;
using Octavo.Server.Requests;

namespace Octavo.Server.Generation;

/// <summary>All prompts of one request on their way through the engine; disposing it calls off what still runs.</summary>
internal sealed class JobRun : IAsyncDisposable
{
    private static long _runs;

    private readonly CancellationTokenSource _cancellation;
    private readonly Channel<(int Prompt, RequestOutput? Output)> _outputs = Channel.CreateUnbounded<(int Prompt, RequestOutput? Output)>(
        new UnboundedChannelOptions { SingleReader = true });

    private readonly List<Task> _pumps = [];

    private JobRun(CancellationToken cancellationToken) => _cancellation = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);

    /// <summary>Submits every prompt; where one is refused, none stays behind.</summary>
    public static async Task<JobRun> StartAsync(AsyncEngine engine, Job job, GenerationRequest request, CancellationToken cancellationToken)
    {
        var run = new JobRun(cancellationToken);
        try
        {
            long number = Interlocked.Increment(ref _runs);
            for (int i = 0; i < job.Prompts.Count; i++)
            {
                // The number keeps ids apart that clients chose alike.
                var options = new RequestOptions { RequestId = $"{job.Id}-{number}-{i}", Priority = request.Priority, CacheSalt = request.CacheSalt, Client = request.Client };
                IAsyncEnumerable<RequestOutput> outputs = request.UseBeamSearch
                    ? BeamSearchRun.RunAsync(engine, job.Prompts[i], job.Sampling, request.LengthPenalty, run._cancellation.Token)
                    : engine.RunAsync(Prompt.FromTokenIds(job.Prompts[i].TokenIds), job.Sampling, options, run._cancellation.Token);
                run._pumps.Add(run.PumpAsync(i, outputs));
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
    /// Outputs as they come, each with its prompt's index, and a null after each interval in which none came; a cancelled run
    /// ends in an exception.
    /// </summary>
    /// <param name="silence">The interval; zero never yields null.</param>
    /// <param name="time">The clock.</param>
    public async IAsyncEnumerable<(int Prompt, RequestOutput? Output)> ReadAsync(TimeSpan silence, TimeProvider time)
    {
        TimeSpan interval = silence > TimeSpan.Zero ? silence : Timeout.InfiniteTimeSpan;
        await using ITimer timer = time.CreateTimer(_ => _outputs.Writer.TryWrite((0, null)), null, interval, interval);
        await foreach ((int prompt, RequestOutput? output) in _outputs.Reader.ReadAllAsync(CancellationToken.None))
        {
            yield return (prompt, output);
            if (output is not null)
            {
                timer.Change(interval, interval);
            }
        }
    }

    /// <summary>Each prompt's last output.</summary>
    public async Task<RequestOutput[]> ReadFinalAsync()
    {
        var final = new RequestOutput[_pumps.Count];
        await foreach ((int prompt, RequestOutput? output) in _outputs.Reader.ReadAllAsync(CancellationToken.None))
        {
            final[prompt] = output!;
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
                _outputs.Writer.TryWrite((prompt, output));
            }
        }
        catch (Exception e)
        {
            // One prompt's failure is the request's.
            _outputs.Writer.TryComplete(e);
        }
    }

    private async Task CompleteAsync()
    {
        await Task.WhenAll(_pumps);
        _outputs.Writer.TryComplete();
    }
}

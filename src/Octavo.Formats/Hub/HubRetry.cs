namespace Octavo.Formats.Hub;

/// <summary>
/// When to try again what may well succeed a little later: after 1, 2, 4, … seconds, or when the hub says; given up
/// after several failures with nothing achieved between them.
/// </summary>
/// <param name="wait">Waits.</param>
internal sealed class HubRetry(Func<TimeSpan, CancellationToken, Task> wait)
{
    private const int MaxFailures = 5;

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(5);

    /// <summary>The one that waits for real.</summary>
    public static HubRetry Standard { get; } = new(Task.Delay);

    /// <summary>Runs something until it succeeds, or fails for good.</summary>
    /// <param name="attempt">What is run.</param>
    /// <param name="achieved">How much has been achieved so far; where that grows, failures count anew.</param>
    /// <param name="onTrouble">Hears why it waits, and null when it goes on.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public async Task<T> RunAsync<T>(
        Func<Task<T>> attempt, Func<long> achieved, Action<string?> onTrouble, CancellationToken cancellationToken)
    {
        int failures = 0;
        while (true)
        {
            long before = achieved();
            HubException failure;
            try
            {
                return await attempt().ConfigureAwait(false);
            }
            catch (HubException e) when (e.IsTransient)
            {
                failure = e;
            }

            failures = achieved() > before ? 1 : failures + 1;
            TimeSpan pause = failure.RetryAfter ?? FirstPause * Math.Pow(2, failures - 1);
            if (failures >= MaxFailures || pause > LongestPause)
            {
                throw failures < MaxFailures
                    ? new HubException(
                        failure.Failure, failure.Name, $"the hub asks to come back in {pause:g}: {failure.Message}",
                        failure)
                    : failure;
            }

            pause = pause < TimeSpan.Zero ? TimeSpan.Zero : pause;
            onTrouble($"again in {pause.TotalSeconds:0} s: {failure.Message}");
            await wait(pause, cancellationToken).ConfigureAwait(false);
            onTrouble(null);
        }
    }
}

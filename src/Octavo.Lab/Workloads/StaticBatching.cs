using Octavo.Engine;

namespace Octavo.Lab.Workloads;

/// <summary>
/// Static batching, to compare with: B requests start together, and the next B when the last of them has ended. All
/// requests are there from the start.
/// </summary>
internal static class StaticBatching
{
    /// <summary>Runs requests in groups.</summary>
    /// <param name="engine">An engine with fixed limits that let a whole group run at once.</param>
    /// <param name="requests">The requests; their arrival times are ignored.</param>
    /// <param name="batch">Requests a group.</param>
    /// <param name="dropFinished">
    /// False computes a finished row until the group's longest ends, as <c>generate</c> of Hugging Face's library does;
    /// true takes it out of the computation.
    /// </param>
    /// <param name="vocabSize">Prompts are drawn from so many tokens.</param>
    /// <param name="time">The clock.</param>
    /// <param name="sampling">How tokens are drawn.</param>
    /// <returns>Seconds for all.</returns>
    public static double Run(
        LlmEngine engine,
        IReadOnlyList<WorkloadRequest> requests,
        int batch,
        bool dropFinished,
        int vocabSize,
        TimeProvider time,
        SamplingParams sampling)
    {
        long began = time.GetTimestamp();
        foreach (WorkloadRequest[] group in requests.Chunk(batch))
        {
            int longest = group.Max(r => r.OutputTokens);
            LoadRunner.Run(
                engine,
                [.. group.Select(r => r with { Arrival = 0, OutputTokens = dropFinished ? r.OutputTokens : longest })],
                vocabSize,
                time,
                sampling: sampling);
        }

        return time.GetElapsedTime(began).TotalSeconds;
    }
}

using Octavo.Engine;

namespace Octavo.Lab.Workloads;

/// <summary>
/// Drives an engine with a workload, on the caller's thread: requests are added when their time has come.
/// </summary>
internal static class LoadRunner
{
    /// <summary>Runs a workload to its end.</summary>
    /// <param name="engine">An engine without other requests.</param>
    /// <param name="requests">In order of arrival.</param>
    /// <param name="vocabSize">Prompts are drawn from so many tokens.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Calls it off.</param>
    /// <param name="limit">After so long, what has not ended is called off and counts as failed.</param>
    /// <param name="sampling">How tokens are drawn; null takes the most likely.</param>
    public static IReadOnlyList<RequestRecord> Run(
        LlmEngine engine,
        IReadOnlyList<WorkloadRequest> requests,
        int vocabSize,
        TimeProvider time,
        CancellationToken cancellationToken = default,
        TimeSpan? limit = null,
        SamplingParams? sampling = null)
    {
        RequestRecord[] records = [.. requests.Select(r => new RequestRecord(r))];
        EngineRequest[] prepared = [.. requests.Select((r, i) => Prepare(r, i, vocabSize, sampling))];
        long began = time.GetTimestamp();
        int next = 0;
        while (next < records.Length || engine.HasWork)
        {
            cancellationToken.ThrowIfCancellationRequested();
            double now = time.GetElapsedTime(began).TotalSeconds;
            if (now > limit?.TotalSeconds)
            {
                CallOff(engine, records, now);
                break;
            }

            while (next < records.Length && records[next].Request.Arrival <= now)
            {
                RequestRecord record = records[next];
                engine.Add(prepared[next++], output => Note(record, output, time.GetElapsedTime(began).TotalSeconds));
            }

            if (!engine.Step() && next < records.Length)
            {
                // A wait that the scheduler of this machine would stretch to milliseconds is not asked for.
                double idle = records[next].Request.Arrival - time.GetElapsedTime(began).TotalSeconds;
                if (idle > 0.002)
                {
                    cancellationToken.WaitHandle.WaitOne(TimeSpan.FromSeconds(idle - 0.001));
                }
            }
        }

        return records;
    }

    private static void CallOff(LlmEngine engine, RequestRecord[] records, double now)
    {
        for (int i = 0; i < records.Length; i++)
        {
            if (double.IsNaN(records[i].End))
            {
                engine.Abort(IdOf(i));       // which tells the record, where the request was in the engine
            }

            if (double.IsNaN(records[i].End))
            {
                records[i].Finish(now, failed: true);
            }
        }
    }

    private static string IdOf(int index) => $"load-{index}";

    private static EngineRequest Prepare(
        WorkloadRequest r, int index, int vocabSize, SamplingParams? sampling) => new()
        {
            Id = IdOf(index),
            PromptTokenIds = r.MakePrompt(vocabSize),
            Options = new RequestOptions { Priority = r.Priority, Client = r.Client },
            Parameters = (sampling ?? new SamplingParams { Temperature = 0 }) with
            {
                Seed = index,
                IgnoreEos = true,
                MaxTokens = r.OutputTokens,
                OutputKind = OutputKind.Delta,
                Detokenize = false,
            },
        };

    private static void Note(RequestRecord record, RequestOutput output, double now)
    {
        foreach (CompletionOutput completion in output.Outputs)
        {
            for (int i = 0; i < completion.TokenIds.Count; i++)
            {
                record.Token(now);
            }
        }

        if (output.Finished)
        {
            record.Finish(
                now, output.Error is not null || output.Outputs.Any(o => o.FinishReason == FinishReason.Abort));
        }
    }
}

using Octavo.Engine;
using Octavo.Lab.Workloads;

namespace Octavo.Lab.Measuring;

/// <summary>How requests that are there at once come into steps together.</summary>
internal enum BatchingKind
{
    /// <summary>Groups that start together and end with their longest request.</summary>
    Static,

    /// <summary>The same, with finished rows taken out of the computation.</summary>
    Dropping,

    /// <summary>A request starts when another one ends.</summary>
    Continuous,
}

/// <summary>Continuous batching against static, on the same model, requests and kernels.</summary>
/// <param name="model">The model.</param>
/// <param name="load">The requests; all are there at once.</param>
/// <param name="sampling">How tokens are drawn.</param>
/// <param name="progress">Hears what is going on.</param>
internal sealed class BatchingBenchmark(
    LoadedModel model, IReadOnlyList<WorkloadRequest> load, SamplingParams sampling, Action<string> progress)
{
    private const int WarmUpRequests = 16;

    /// <summary>Measures each kind with each number of requests at once, in turn.</summary>
    /// <param name="batches">Requests at once.</param>
    /// <param name="rounds">How often all are run.</param>
    /// <returns>Kind and requests at once → tokens a second, the median of the rounds.</returns>
    public IReadOnlyDictionary<(BatchingKind Kind, int Batch), double> Run(IReadOnlyList<int> batches, int rounds)
    {
        var times = new Dictionary<(BatchingKind Kind, int Batch), List<double>>();
        long tokens = load.Sum(r => (long)r.OutputTokens);
        Once([.. load.Take(WarmUpRequests)], BatchingKind.Continuous, batches[0]);
        for (int round = 0; round < rounds; round++)
        {
            foreach (int batch in batches)
            {
                foreach (BatchingKind kind in Enum.GetValues<BatchingKind>())
                {
                    progress($"round {round + 1} of {rounds}, {batch} at once, {Name(kind)}");
                    times.TryAdd((kind, batch), []);
                    times[(kind, batch)].Add(Once(load, kind, batch));
                }
            }
        }

        return times.ToDictionary(t => t.Key, t => tokens / t.Value.Order().ElementAt(rounds / 2));
    }

    private double Once(IReadOnlyList<WorkloadRequest> requests, BatchingKind kind, int batch)
    {
        using LlmEngine engine = model.MakeEngine(new LlmEngineOptions
        {
            MaxModelLen = model.MaxModelLen,
            Scheduling = new SchedulingOptions
            {
                Batching = BatchingMode.Fixed,
                MaxNumSeqs = batch,
                MaxNumBatchedTokens = model.MaxNumBatchedTokens,
                EnablePrefixCaching = false,
            },
        });
        int group = kind == BatchingKind.Continuous ? requests.Count : batch;
        return StaticBatching.Run(
            engine,
            requests,
            group,
            dropFinished: kind != BatchingKind.Static,
            model.VocabSize,
            TimeProvider.System,
            sampling);
    }

    private static string Name(BatchingKind kind) => kind switch
    {
        BatchingKind.Static => "static",
        BatchingKind.Dropping => "static, finished rows dropped",
        BatchingKind.Continuous => "continuous",
    };
}

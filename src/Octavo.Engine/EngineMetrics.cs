using System.Diagnostics.Metrics;
using Octavo.Engine.Batching;
using Octavo.Engine.Blocks;
using Octavo.Engine.Output;
using Octavo.Engine.Scheduling;

namespace Octavo.Engine;

/// <summary>
/// The engine's instruments, under vLLM's names and with its buckets, so that dashboards made for vLLM work unchanged.
/// Counters are named without the <c>_total</c> that the Prometheus text format adds.
/// </summary>
internal sealed class EngineMetrics : IDisposable
{
    private static readonly double[] StepBuckets =
        [.0005, .001, .0025, .005, .01, .02, .03, .04, .05, .06, .08, .1, .125, .15, .2, .3, .5, .75, 1, 2.5, 5, 10];

    private static readonly double[] RatioBuckets = [.25, .5, .7, .8, .9, .95, 1, 1.05, 1.1, 1.2, 1.3, 1.5, 2, 3, 5, 10];

    // A prediction below this is none yet: no step is so short. Beyond the greatest ratio, one outlier would be the mean.
    private const double LeastPredicted = 1e-5;
    private const double MostRatio = 100;

    private readonly TimeProvider _time;
    private readonly KeyValuePair<string, object?>[] _tags;
    private readonly Counter<long> _promptTokens;
    private readonly Counter<long> _promptTokensCached;
    private readonly Counter<long> _generationTokens;
    private readonly Counter<long> _preemptions;
    private readonly Counter<long> _prefixQueries;
    private readonly Counter<long> _prefixHits;
    private readonly Counter<long> _finished;
    private readonly Histogram<double> _iterationTokens;
    private readonly Histogram<double> _stepTime;
    private readonly Histogram<double> _stepTimeRatio;
    private readonly Histogram<double> _timeToFirstToken;
    private readonly Histogram<double> _interTokenLatency;
    private readonly Histogram<double> _timePerOutputToken;
    private readonly Histogram<double> _endToEnd;
    private readonly Histogram<double> _queueTime;
    private readonly Histogram<double> _inferenceTime;
    private readonly Histogram<double> _prefillTime;
    private readonly Histogram<double> _decodeTime;
    private readonly Histogram<double> _requestPromptTokens;
    private readonly Histogram<double> _requestGenerationTokens;
    private readonly Histogram<double> _requestMaxTokens;
    private readonly Histogram<double> _requestMostGenerated;
    private readonly Histogram<double> _requestPrefillComputed;
    private readonly Histogram<double> _requestPreemptions;
    private readonly Histogram<double> _requestN;
    private readonly Counter<long> _promptTokensBySource;
    private readonly KeyValuePair<string, object?>[] _computed;
    private readonly KeyValuePair<string, object?>[] _cacheHit;
    private int _stepGenerated;                            // since the last step was recorded
    private int _running;
    private int _waiting;
    private long _seenQueries;
    private long _seenHits;

    public EngineMetrics(
        LlmEngineOptions options, BlockPool pool, BatchController<Completion> batching, TimeProvider time)
    {
        _time = time;
        _tags = [new("model_name", options.ModelName), new("engine", "0")];
        Meter = new Meter(new MeterOptions("Octavo.Engine"));
        var buckets = new HistogramBuckets(options);

        Meter.CreateObservableGauge("vllm:num_requests_running", () => Measured(Volatile.Read(ref _running)), null, "Requests that the engine runs.");
        Meter.CreateObservableGauge("vllm:num_requests_waiting", () => Measured(Volatile.Read(ref _waiting)), null, "Requests that wait to be run.");
        Meter.CreateObservableGauge("vllm:num_requests_waiting_by_reason", WaitingByReason, null, "Requests that wait to be run, by what they wait for.");
        Meter.CreateObservableGauge("vllm:kv_cache_usage_perc", () => Measured(pool.Usage), null, "Part of the key-value cache that is held; 1 is all.");
        Meter.CreateObservableGauge(
            "vllm:cache_config_info",
            () => new Measurement<int>(1, CacheConfig(options, pool)),
            null,
            "The key-value cache's settings, as labels.");
        ObserveBatching(batching);
        _stepTime = Seconds("octavo_step_time_seconds", "A step, and what lay between it and the one before.", StepBuckets);
        _stepTimeRatio = Meter.CreateHistogram("octavo_step_time_ratio", null, "A step's time over what the model had predicted.", null, Buckets(RatioBuckets));
        _promptTokens = Counter("vllm:prompt_tokens", "Prompt tokens computed or found in the cache.");
        _promptTokensCached = Counter("vllm:prompt_tokens_cached", "Prompt tokens found in the prefix cache.");
        _generationTokens = Counter("vllm:generation_tokens", "Tokens generated.");
        _preemptions = Counter("vllm:num_preemptions", "Times that a running request lost its blocks.");
        _prefixQueries = Counter("vllm:prefix_cache_queries", "Tokens looked up in the prefix cache.");
        _prefixHits = Counter("vllm:prefix_cache_hits", "Tokens found in the prefix cache.");
        _finished = Counter("vllm:request_success", "Requests that ended.");
        _promptTokensBySource = Counter("vllm:prompt_tokens_by_source", "Prompt tokens, by where they came from.");
        (_computed, _cacheHit) = ([.. _tags, new("source", PromptSources[0])], [.. _tags, new("source", PromptSources[1])]);
        _iterationTokens = Lengths("vllm:iteration_tokens_total", "Prompt and generated tokens a step.", buckets[HistogramBuckets.IterationTokens]);
        _timeToFirstToken = Seconds("vllm:time_to_first_token_seconds", "From arrival to the first token.", buckets[HistogramBuckets.TimeToFirstToken]);
        _interTokenLatency = Seconds("vllm:inter_token_latency_seconds", "Between two tokens of a request.", buckets[HistogramBuckets.InterTokenLatency]);
        _timePerOutputToken = Seconds("vllm:request_time_per_output_token_seconds", "A request's mean time per token after the first.", buckets[HistogramBuckets.InterTokenLatency]);
        _endToEnd = Seconds("vllm:e2e_request_latency_seconds", "From arrival to the last token.", buckets[HistogramBuckets.RequestLatency]);
        _queueTime = Seconds("vllm:request_queue_time_seconds", "Spent waiting.", buckets[HistogramBuckets.RequestLatency]);
        _inferenceTime = Seconds("vllm:request_inference_time_seconds", "Spent running.", buckets[HistogramBuckets.RequestLatency]);
        _prefillTime = Seconds("vllm:request_prefill_time_seconds", "Spent before the first token.", buckets[HistogramBuckets.RequestLatency]);
        _decodeTime = Seconds("vllm:request_decode_time_seconds", "Spent after the first token.", buckets[HistogramBuckets.RequestLatency]);
        double[] lengths = buckets[HistogramBuckets.RequestTokens];
        _requestPromptTokens = Lengths("vllm:request_prompt_tokens", "Prompt tokens a request.", lengths);
        _requestGenerationTokens = Lengths("vllm:request_generation_tokens", "Generated tokens a request.", lengths);
        _requestMostGenerated = Lengths("vllm:request_max_num_generation_tokens", "Generated tokens of the longest of a request's n completions.", lengths);
        _requestPrefillComputed = Lengths("vllm:request_prefill_kv_computed_tokens", "Prompt tokens a request that were not found in the cache.", lengths);
        _requestMaxTokens = Lengths("vllm:request_params_max_tokens", "max_tokens of requests.", lengths);
        _requestN = Lengths("vllm:request_params_n", "n of requests.", buckets[HistogramBuckets.RequestParamsN]);
        _requestPreemptions = Lengths("vllm:request_num_preemptions", "Times that a request lost its blocks.", buckets[HistogramBuckets.RequestNumPreemptions]);
    }

    private static readonly string[] PromptSources = ["local_compute", "local_cache_hit"];

    public Meter Meter { get; }

    public void SetQueues(int running, int waiting)
    {
        Volatile.Write(ref _running, running);
        Volatile.Write(ref _waiting, waiting);
    }

    public void RecordToken(Completion completion, long now)
    {
        _generationTokens.Add(1, _tags);
        _stepGenerated++;
        if (completion.NumOutputTokens == 1)
        {
            completion.FirstTokenTimestamp = now;
            _promptTokens.Add(completion.NumPromptTokens, _tags);
            _promptTokensCached.Add(completion.NumCachedTokens, _tags);
            _promptTokensBySource.Add(completion.NumPromptTokens - completion.NumCachedTokens, _computed);
            _promptTokensBySource.Add(completion.NumCachedTokens, _cacheHit);
            _timeToFirstToken.Record(_time.GetElapsedTime(completion.Group.ArrivalTimestamp, now).TotalSeconds, _tags);
        }
        else
        {
            _interTokenLatency.Record(_time.GetElapsedTime(completion.LastTokenTimestamp, now).TotalSeconds, _tags);
        }

        completion.LastTokenTimestamp = now;
    }

    public void RecordFinished(Completion completion, long now)
    {
        RequestGroup group = completion.Group;
        _finished.Add(1, [.. _tags, new("finished_reason", completion.FinishReason!.Value.ToWireName())]);
        if (group.IsFinished && group.Completions.Max(c => c.NumOutputTokens) is > 0 and var most)
        {
            _requestN.Record(group.Parameters.N, _tags);
            _requestMostGenerated.Record(most, _tags);
        }

        if (completion.FirstTokenTimestamp == 0)
        {
            return;
        }

        // As in vLLM, waiting counts up to the last time that the request left the queue.
        long scheduled = completion.ScheduledTimestamp;
        long firstToken = Math.Max(completion.FirstTokenTimestamp, scheduled);
        double decode = Elapsed(firstToken, now);
        _endToEnd.Record(Elapsed(group.ArrivalTimestamp, now), _tags);
        _queueTime.Record(Elapsed(group.ArrivalTimestamp, scheduled), _tags);
        _inferenceTime.Record(Elapsed(scheduled, now), _tags);
        _prefillTime.Record(Elapsed(scheduled, firstToken), _tags);
        _decodeTime.Record(decode, _tags);
        _requestPromptTokens.Record(completion.NumPromptTokens, _tags);
        _requestGenerationTokens.Record(completion.NumOutputTokens, _tags);
        _requestMaxTokens.Record(group.MaxOutputTokens, _tags);
        _requestPrefillComputed.Record(completion.NumPromptTokens - completion.NumCachedTokens, _tags);
        _requestPreemptions.Record(completion.NumPreemptions, _tags);
        if (completion.NumOutputTokens > 1)
        {
            _timePerOutputToken.Record(decode / (completion.NumOutputTokens - 1), _tags);
        }

        double Elapsed(long from, long to) => _time.GetElapsedTime(from, to).TotalSeconds;
    }

    public void RecordStep(StepPlan<Completion> plan, KvCacheManager cache, double seconds, double predicted)
    {
        _stepTime.Record(seconds, _tags);
        if (predicted >= LeastPredicted)
        {
            _stepTimeRatio.Record(Math.Min(seconds / predicted, MostRatio), _tags);
        }

        _iterationTokens.Record(CountPromptTokens(plan) + _stepGenerated, _tags);
        _stepGenerated = 0;
        _preemptions.Add(plan.NumPreempted, _tags);
        _prefixQueries.Add(cache.PrefixQueries - _seenQueries, _tags);
        _prefixHits.Add(cache.PrefixHits - _seenHits, _tags);
        (_seenQueries, _seenHits) = (cache.PrefixQueries, cache.PrefixHits);
    }

    public void Dispose() => Meter.Dispose();

    // Read by whoever scrapes, while the engine writes: each is one number, and a scrape may see two of different steps.
    private void ObserveBatching(BatchController<Completion> batching)
    {
        Meter.CreateObservableGauge(
            "octavo_step_time_error", () => Measured(batching.Model.RelativeError), null, "The step-time model's recent error: mean of |actual / predicted - 1|.");
        Meter.CreateObservableGauge("octavo_step_time_coefficient_seconds", Coefficients, null, "The step-time model's seconds for a unit of each term.");
        Meter.CreateObservableGauge("octavo_batching_max_num_seqs", () => Measured(batching.Limits.MaxNumSeqs), null, "Requests that the policy lets run at once now.");
        Meter.CreateObservableGauge(
            "octavo_batching_max_prefill_tokens",
            () => Measured(Math.Min(batching.Limits.MaxPrefillTokens, batching.Limits.MaxNumBatchedTokens)),
            null,
            "Prompt tokens that the policy lets into a step now.");
        Meter.CreateObservableGauge(
            "octavo_batching_targets_met", () => Measured(batching.Policy.Advice is null ? 1 : 0), null, "0 where this machine cannot hold the latency targets.");

        IEnumerable<Measurement<double>> Coefficients() => StepTimeModel.Terms.Select(
            (term, i) => new Measurement<double>(batching.Model.Coefficients[i], [.. _tags, new("term", term)]));
    }

    // Each prompt token counts once, those found in the cache in the step that takes the request up, and none again after a
    // preemption: so all steps together have as many as vllm:prompt_tokens says.
    private static int CountPromptTokens(StepPlan<Completion> plan)
    {
        int count = 0;
        foreach (ScheduledSequence<Completion> scheduled in plan.Sequences)
        {
            Completion completion = scheduled.Sequence;
            int reached = Math.Min(scheduled.Start + scheduled.NumTokens, completion.NumPromptTokens);
            count += Math.Max(0, reached - completion.NumPromptTokensSeen);
            completion.NumPromptTokensSeen = Math.Max(reached, completion.NumPromptTokensSeen);
        }

        return count;
    }

    // Whoever waits here waits for room; nothing is put off for other reasons.
    private Measurement<int>[] WaitingByReason() =>
    [
        new(Volatile.Read(ref _waiting), [.. _tags, new("reason", "capacity")]),
        new(0, [.. _tags, new("reason", "deferred")]),
    ];

    private KeyValuePair<string, object?>[] CacheConfig(LlmEngineOptions options, BlockPool pool)
    {
        int blocksOfLongest = (options.MaxModelLen + pool.BlockSize - 1) / pool.BlockSize;
        return
        [
            .. _tags,
            new("block_size", pool.BlockSize),
            new("num_gpu_blocks", pool.Count),
            new("enable_prefix_caching", options.EnablePrefixCaching),
            new("kv_cache_size_tokens", (long)pool.Count * pool.BlockSize),
            new("kv_cache_max_concurrency", (double)pool.Count / blocksOfLongest),
        ];
    }

    private static InstrumentAdvice<double> Buckets(double[] bounds) => new() { HistogramBucketBoundaries = bounds };

    private Measurement<T> Measured<T>(T value)
        where T : struct =>
        new(value, _tags);

    private Counter<long> Counter(string name, string description) => Meter.CreateCounter<long>(name, null, description);

    private Histogram<double> Seconds(string name, string description, double[] bounds) =>
        Meter.CreateHistogram(name, "s", description, null, Buckets(bounds));

    private Histogram<double> Lengths(string name, string description, double[] bounds) =>
        Meter.CreateHistogram(name, null, description, null, Buckets(bounds));
}

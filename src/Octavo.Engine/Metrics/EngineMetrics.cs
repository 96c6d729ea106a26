using System.Diagnostics.Metrics;
using Octavo.Engine.Batching;
using Octavo.Engine.Blocks;
using Octavo.Engine.Output;
using Octavo.Engine.Scheduling;

namespace Octavo.Engine;

/// <summary>
/// The engine's instruments, named by OpenTelemetry's rules, with vLLM's buckets. What vLLM calls them, the server
/// knows.
/// </summary>
internal sealed class EngineMetrics : IDisposable
{
    private static readonly double[] StepBuckets =
        [.0005, .001, .0025, .005, .01, .02, .03, .04, .05, .06, .08, .1, .125, .15, .2, .3, .5, .75, 1, 2.5, 5, 10];

    private static readonly double[] RatioBuckets =
        [.25, .5, .7, .8, .9, .95, 1, 1.05, 1.1, 1.2, 1.3, 1.5, 2, 3, 5, 10];

    // A prediction below this is none yet: no step is so short. Beyond the greatest ratio, one outlier would be the
    // mean.
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
        LlmEngineOptions options, BlockPool pool, IReadOnlyList<CacheGroup> cacheGroups,
        BatchController<Completion> batching, TimeProvider time)
    {
        _time = time;
        _tags = [new("model_name", options.ModelName), new("engine", "0")];
        Meter = new Meter(new MeterOptions("Octavo.Engine"));
        var buckets = new HistogramBuckets(options.Metrics.CustomHistogramBuckets, options.MaxModelLen);

        Gauge(
            "octavo.requests.running",
            "{request}",
            "Requests that the engine runs.",
            () => Volatile.Read(ref _running));
        Gauge(
            "octavo.requests.waiting", "{request}", "Requests that wait to be run.", () => Volatile.Read(ref _waiting));
        Meter.CreateObservableGauge(
            "octavo.requests.waiting_by_reason",
            WaitingByReason,
            "{request}",
            "Requests that wait to be run, by what they wait for.");
        Gauge("octavo.kv_cache.usage", "1", "Part of the key-value cache that is held; 1 is all.", () => pool.Usage);
        Meter.CreateObservableGauge(
            "octavo.kv_cache.info",
            () => new Measurement<int>(1, CacheConfig(options, pool, cacheGroups)),
            null,
            "The key-value cache's settings, as labels.");
        ObserveBatching(batching);
        _stepTime = Seconds("octavo.step.time", "A step, and what lay between it and the one before.", StepBuckets);
        _stepTimeRatio = Numbers(
            "octavo.step.time_ratio", "1", "A step's time over what the model had predicted.", RatioBuckets);
        _promptTokens = Tokens("octavo.prompt.tokens", "Prompt tokens computed or found in the cache.");
        _promptTokensCached = Tokens("octavo.prompt.cached_tokens", "Prompt tokens found in the prefix cache.");
        _generationTokens = Tokens("octavo.output.tokens", "Tokens generated.");
        _preemptions = Meter.CreateCounter<long>(
            "octavo.preemptions", "{preemption}", "Times that a running request lost its blocks.");
        _prefixQueries = Tokens("octavo.prefix_cache.queries", "Tokens looked up in the prefix cache.");
        _prefixHits = Tokens("octavo.prefix_cache.hits", "Tokens found in the prefix cache.");
        _finished = Meter.CreateCounter<long>("octavo.requests.finished", "{request}", "Requests that ended.");
        _promptTokensBySource = Tokens("octavo.prompt.tokens_by_source", "Prompt tokens, by where they came from.");
        (_computed, _cacheHit) = (
            [.. _tags, new("source", PromptSources[0])], [.. _tags, new("source", PromptSources[1])]);
        _iterationTokens = Lengths(
            "octavo.step.tokens", "Prompt and generated tokens a step.", buckets[HistogramBuckets.IterationTokens]);
        _timeToFirstToken = Seconds(
            "octavo.request.time_to_first_token",
            "From arrival to the first token.",
            buckets[HistogramBuckets.TimeToFirstToken]);
        double[] gaps = buckets[HistogramBuckets.InterTokenLatency];
        _interTokenLatency = Seconds("octavo.request.inter_token_latency", "Between two tokens of a request.", gaps);
        _timePerOutputToken = Seconds(
            "octavo.request.time_per_output_token", "A request's mean time per token after the first.", gaps);
        double[] latencies = buckets[HistogramBuckets.RequestLatency];
        _endToEnd = Seconds("octavo.request.duration", "From arrival to the last token.", latencies);
        _queueTime = Seconds("octavo.request.queue_time", "Spent waiting.", latencies);
        _inferenceTime = Seconds("octavo.request.inference_time", "Spent running.", latencies);
        _prefillTime = Seconds("octavo.request.prefill_time", "Spent before the first token.", latencies);
        _decodeTime = Seconds("octavo.request.decode_time", "Spent after the first token.", latencies);
        double[] lengths = buckets[HistogramBuckets.RequestTokens];
        _requestPromptTokens = Lengths("octavo.request.prompt_tokens", "Prompt tokens a request.", lengths);
        _requestGenerationTokens = Lengths("octavo.request.output_tokens", "Generated tokens a request.", lengths);
        _requestMostGenerated = Lengths(
            "octavo.request.longest_output_tokens",
            "Generated tokens of the longest of a request's n completions.",
            lengths);
        _requestPrefillComputed = Lengths(
            "octavo.request.computed_prompt_tokens",
            "Prompt tokens a request that were not found in the cache.",
            lengths);
        _requestMaxTokens = Lengths("octavo.request.max_tokens", "max_tokens of requests.", lengths);
        _requestN = Numbers(
            "octavo.request.n", "{completion}", "n of requests.", buckets[HistogramBuckets.RequestParamsN]);
        _requestPreemptions = Numbers(
            "octavo.request.preemptions",
            "{preemption}",
            "Times that a request lost its blocks.",
            buckets[HistogramBuckets.RequestNumPreemptions]);
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
        _requestMaxTokens.Record(group.Request.MaxOutputTokens, _tags);
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

    // Read by whoever scrapes, while the engine writes: each is one number, and a scrape may see two of different
    // steps.
    private void ObserveBatching(BatchController<Completion> batching)
    {
        Gauge(
            "octavo.step.time_error",
            "1",
            "The step-time model's recent error: mean of |actual / predicted - 1|.",
            () => batching.Model.RelativeError);
        Meter.CreateObservableGauge(
            "octavo.step.time_coefficient",
            Coefficients,
            "s",
            "The step-time model's seconds for a unit of each term.");
        Gauge(
            "octavo.batching.max_num_seqs",
            "{request}",
            "Requests that the policy lets run at once now.",
            () => batching.Limits.MaxNumSeqs);
        Gauge(
            "octavo.batching.max_prefill_tokens",
            "{token}",
            "Prompt tokens that the policy lets into a step now.",
            () => Math.Min(batching.Limits.MaxPrefillTokens, batching.Limits.MaxNumBatchedTokens));
        Gauge(
            "octavo.batching.targets_met",
            null,
            "0 where this machine cannot hold the latency targets.",
            () => batching.Policy.Advice is null ? 1 : 0);

        IEnumerable<Measurement<double>> Coefficients() => StepTimeModel.Terms.Select(
            (term, i) => new Measurement<double>(batching.Model.Coefficients[i], [.. _tags, new("term", term)]));
    }

    // Each prompt token counts once, those found in the cache in the step that takes the request up, and none again
    // after a preemption: so all steps together have as many as octavo.prompt.tokens says.
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

    private KeyValuePair<string, object?>[] CacheConfig(
        LlmEngineOptions options, BlockPool pool, IReadOnlyList<CacheGroup> cacheGroups)
    {
        int chunk = options.Scheduling.StepTokens;
        long blocksOfLongest = cacheGroups.MostBlocks(options.MaxModelLen, pool.BlockSize, chunk);
        return
        [
            .. _tags,
            new("block_size", pool.BlockSize),
            new("num_gpu_blocks", pool.Count),
            new("enable_prefix_caching", options.Scheduling.EnablePrefixCaching),
            new("kv_cache_size_tokens", cacheGroups.TokensIn(pool.Count, pool.BlockSize, options.MaxModelLen, chunk)),
            new("kv_cache_max_concurrency", (double)pool.Count / blocksOfLongest),
        ];
    }

    private void Gauge<T>(string name, string? unit, string description, Func<T> value)
        where T : struct =>
        Meter.CreateObservableGauge(name, () => new Measurement<T>(value(), _tags), unit, description);

    private Counter<long> Tokens(string name, string description) =>
        Meter.CreateCounter<long>(name, "{token}", description);

    private Histogram<double> Seconds(string name, string description, double[] bounds) =>
        Numbers(name, "s", description, bounds);

    private Histogram<double> Lengths(string name, string description, double[] bounds) =>
        Numbers(name, "{token}", description, bounds);

    private Histogram<double> Numbers(
        string name, string unit, string description, double[] bounds) => Meter.CreateHistogram(
        name, unit, description, null, new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds });
}

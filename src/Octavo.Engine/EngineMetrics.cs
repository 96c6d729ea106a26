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
    private static readonly double[] TtftBuckets =
        [.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560];

    private static readonly double[] TokenLatencyBuckets =
        [.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];

    private static readonly double[] RequestLatencyBuckets =
        [.3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];

    private static readonly double[] StepBuckets =
        [.0005, .001, .0025, .005, .01, .02, .03, .04, .05, .06, .08, .1, .125, .15, .2, .3, .5, .75, 1, 2.5, 5, 10];

    private static readonly double[] RatioBuckets = [.25, .5, .7, .8, .9, .95, 1, 1.05, 1.1, 1.2, 1.3, 1.5, 2, 3, 5, 10];

    private static readonly double[] IterationBuckets =
        [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384];

    private readonly TimeProvider _time;
    private readonly KeyValuePair<string, object?>[] _tags;
    private readonly Counter<long> _promptTokens;
    private readonly Counter<long> _promptTokensCached;
    private readonly Counter<long> _generationTokens;
    private readonly Counter<long> _preemptions;
    private readonly Counter<long> _prefixQueries;
    private readonly Counter<long> _prefixHits;
    private readonly Counter<long> _finished;
    private readonly Histogram<long> _iterationTokens;
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
    private readonly Histogram<long> _requestPromptTokens;
    private readonly Histogram<long> _requestGenerationTokens;
    private readonly Histogram<long> _requestMaxTokens;
    private readonly Histogram<long> _requestN;
    private int _running;
    private int _waiting;
    private long _seenQueries;
    private long _seenHits;

    public EngineMetrics(LlmEngineOptions options, BlockPool pool, BatchController batching, TimeProvider time)
    {
        _time = time;
        _tags = [new("model_name", options.ModelName), new("engine", "0")];
        Meter = new Meter(new MeterOptions("Octavo.Engine"));
        double[] lengths = LengthBuckets(options.MaxModelLen);

        Meter.CreateObservableGauge("vllm:num_requests_running", () => Measured(Volatile.Read(ref _running)), null, "Requests that the engine runs.");
        Meter.CreateObservableGauge("vllm:num_requests_waiting", () => Measured(Volatile.Read(ref _waiting)), null, "Requests that wait to be run.");
        Meter.CreateObservableGauge("vllm:kv_cache_usage_perc", () => Measured(pool.Usage), null, "Part of the key-value cache that is held; 1 is all.");
        Meter.CreateObservableGauge(
            "vllm:cache_config_info",
            () => new Measurement<int>(1, [.. _tags, new("block_size", pool.BlockSize), new("num_gpu_blocks", pool.Count), new("enable_prefix_caching", options.EnablePrefixCaching)]),
            null,
            "The key-value cache's settings, as labels.");
        ObserveBatching(batching);
        _stepTime = Seconds("octavo_step_time_seconds", "A step, and what lay between it and the one before.", StepBuckets);
        _stepTimeRatio = Meter.CreateHistogram("octavo_step_time_ratio", null, "A step's time over what the model had predicted.", null, Buckets<double>(RatioBuckets));
        _promptTokens = Counter("vllm:prompt_tokens", "Prompt tokens computed or found in the cache.");
        _promptTokensCached = Counter("vllm:prompt_tokens_cached", "Prompt tokens found in the prefix cache.");
        _generationTokens = Counter("vllm:generation_tokens", "Tokens generated.");
        _preemptions = Counter("vllm:num_preemptions", "Times that a running request lost its blocks.");
        _prefixQueries = Counter("vllm:prefix_cache_queries", "Tokens looked up in the prefix cache.");
        _prefixHits = Counter("vllm:prefix_cache_hits", "Tokens found in the prefix cache.");
        _finished = Counter("vllm:request_success", "Requests that ended.");
        _iterationTokens = Meter.CreateHistogram("vllm:iteration_tokens_total", null, "Tokens a step.", null, Buckets<long>(IterationBuckets));
        _timeToFirstToken = Seconds("vllm:time_to_first_token_seconds", "From arrival to the first token.", TtftBuckets);
        _interTokenLatency = Seconds("vllm:inter_token_latency_seconds", "Between two tokens of a request.", TokenLatencyBuckets);
        _timePerOutputToken = Seconds("vllm:request_time_per_output_token_seconds", "A request's mean time per token after the first.", TokenLatencyBuckets);
        _endToEnd = Seconds("vllm:e2e_request_latency_seconds", "From arrival to the last token.", RequestLatencyBuckets);
        _queueTime = Seconds("vllm:request_queue_time_seconds", "Spent waiting.", RequestLatencyBuckets);
        _inferenceTime = Seconds("vllm:request_inference_time_seconds", "Spent running.", RequestLatencyBuckets);
        _prefillTime = Seconds("vllm:request_prefill_time_seconds", "Spent before the first token.", RequestLatencyBuckets);
        _decodeTime = Seconds("vllm:request_decode_time_seconds", "Spent after the first token.", RequestLatencyBuckets);
        _requestPromptTokens = Lengths("vllm:request_prompt_tokens", "Prompt tokens a request.", lengths);
        _requestGenerationTokens = Lengths("vllm:request_generation_tokens", "Generated tokens a request.", lengths);
        _requestMaxTokens = Lengths("vllm:request_params_max_tokens", "max_tokens of requests.", lengths);
        _requestN = Lengths("vllm:request_params_n", "n of requests.", [1, 2, 5, 10, 20]);
    }

    public Meter Meter { get; }

    public void SetQueues(int running, int waiting)
    {
        Volatile.Write(ref _running, running);
        Volatile.Write(ref _waiting, waiting);
    }

    public void RecordToken(Completion completion, long now)
    {
        _generationTokens.Add(1, _tags);
        if (completion.NumOutputTokens == 1)
        {
            completion.FirstTokenTimestamp = now;
            _promptTokens.Add(completion.NumPromptTokens, _tags);
            _promptTokensCached.Add(completion.NumCachedTokens, _tags);
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
        _requestN.Record(group.Parameters.N, _tags);
        if (completion.NumOutputTokens > 1)
        {
            _timePerOutputToken.Record(decode / (completion.NumOutputTokens - 1), _tags);
        }

        double Elapsed(long from, long to) => _time.GetElapsedTime(from, to).TotalSeconds;
    }

    public void RecordStep(StepPlan plan, KvCacheManager cache, double seconds, double predicted)
    {
        _stepTime.Record(seconds, _tags);
        _stepTimeRatio.Record(seconds / predicted, _tags);
        _iterationTokens.Record(plan.NumTokens, _tags);
        _preemptions.Add(plan.NumPreempted, _tags);
        _prefixQueries.Add(cache.PrefixQueries - _seenQueries, _tags);
        _prefixHits.Add(cache.PrefixHits - _seenHits, _tags);
        (_seenQueries, _seenHits) = (cache.PrefixQueries, cache.PrefixHits);
    }

    public void Dispose() => Meter.Dispose();

    // Read by whoever scrapes, while the engine writes: each is one number, and a scrape may see two of different steps.
    private void ObserveBatching(BatchController batching)
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

    /// <summary>1, 2 and 5 times the powers of ten up to the model's length, as vLLM has them.</summary>
    private static double[] LengthBuckets(int maxModelLen)
    {
        var buckets = new List<double>();
        for (double scale = 1; scale <= maxModelLen; scale *= 10)
        {
            buckets.AddRange(new[] { 1, 2, 5 }.Select(m => m * scale).Where(b => b <= maxModelLen));
        }

        return [.. buckets];
    }

    private static InstrumentAdvice<T> Buckets<T>(double[] bounds)
        where T : struct =>
        new() { HistogramBucketBoundaries = [.. bounds.Select(b => (T)Convert.ChangeType(b, typeof(T)))] };

    private Measurement<T> Measured<T>(T value)
        where T : struct =>
        new(value, _tags);

    private Counter<long> Counter(string name, string description) => Meter.CreateCounter<long>(name, null, description);

    private Histogram<double> Seconds(string name, string description, double[] bounds) =>
        Meter.CreateHistogram(name, "s", description, null, Buckets<double>(bounds));

    private Histogram<long> Lengths(string name, string description, double[] bounds) =>
        Meter.CreateHistogram(name, null, description, null, Buckets<long>(bounds));
}

using System.Diagnostics;
using System.Diagnostics.Metrics;
using Octavo.Engine.Admission;
using Octavo.Engine.Batching;
using Octavo.Engine.Blocks;
using Octavo.Engine.Output;
using Octavo.Engine.Sampling;
using Octavo.Engine.Scheduling;
using Octavo.Engine.Sequences;
using Octavo.Text;

namespace Octavo.Engine;

/// <summary>
/// The engine's core: requests go in, <see cref="Step"/> brings each of them closer to its end, outputs come out
/// through each request's own sink. It has no thread of its own and no lock: one caller at a time.
/// </summary>
internal sealed class LlmEngine : IDisposable
{
    // Prompt log-probabilities need a row of logits for every token; a step takes no more of them than fit in these
    // bytes.
    private const int PromptLogitsBytes = 64 << 20;

    private readonly IModelRunner _runner;
    private readonly LlmEngineOptions _options;
    private readonly Tokenizer? _tokenizer;
    private readonly TimeProvider _time;
    private readonly Scheduler<Completion> _scheduler;
    private readonly KvCacheManager _cache;
    private readonly EngineMetrics _metrics;
    private readonly BatchController<Completion> _batching;
    private readonly AdmissionControl _admission;
    private readonly RequestsInFlight _requests;
    private readonly StepResults _results;
    private readonly int _vocabSize;
    private readonly int[] _eosTokenIds;                   // those that the model can draw
    private long _arrivals;
    private volatile bool _disposed;
    private long _lastStepEnd;                             // 0 where the engine had nothing to do since

    /// <summary>Makes an engine over a runner, which it owns from then on.</summary>
    /// <param name="runner">Runs the model.</param>
    /// <param name="tokenizer">Turns tokens into text; null for token ids in and out.</param>
    /// <param name="options">Limits and habits.</param>
    /// <param name="time">The clock of metrics and timings.</param>
    /// <exception cref="EngineConfigurationException">The options do not fit the runner.</exception>
    public LlmEngine(IModelRunner runner, Tokenizer? tokenizer, LlmEngineOptions options, TimeProvider? time = null)
    {
        options.Validate(runner);
        (_runner, _tokenizer, _options, _time) = (runner, tokenizer, options, time ?? TimeProvider.System);
        SchedulingOptions scheduling = options.Scheduling;
        _cache = new KvCacheManager(
            new BlockPool(runner.NumBlocks, runner.BlockSize),
            runner.CacheGroups,
            scheduling.EnablePrefixCaching,
            scheduling.StepTokens,
            scheduling.KvCacheWatermark);
        _scheduler = new Scheduler<Completion>(_cache);
        _vocabSize = runner.VocabSize;
        StepLimits bounds = StepLimits.Of(scheduling) with
        {
            MaxScoredTokens = Math.Max(16, PromptLogitsBytes / (sizeof(float) * runner.VocabSize)),
        };
        _batching = new BatchController<Completion>(
            IBatchingPolicy.For(scheduling), new StepTimeModel(), bounds, _scheduler, _cache.Pool);
        _eosTokenIds = [.. options.EosTokenIds.Where(id => (uint)id < (uint)runner.VocabSize)];
        _metrics = new EngineMetrics(options, _cache.Pool, runner.CacheGroups, _batching, _time);
        _admission = new AdmissionControl(
            options.Admission, new FairShare(scheduling), _scheduler, _batching, _time);
        _requests = new RequestsInFlight(_scheduler, _batching, _admission, _metrics, _time);
        _results = new StepResults(
            new StepBatch(runner),
            _vocabSize,
            options.MaxModelLen,
            _eosTokenIds,
            _scheduler,
            _requests,
            _metrics,
            runner.Team);
    }

    /// <summary>True while a request is in flight.</summary>
    public bool HasWork => _scheduler.HasWork;

    /// <summary>The scheduler, for tests that watch it.</summary>
    internal Scheduler<Completion> Scheduler => _scheduler;

    /// <summary>Requests that the last step ran, and those that wait.</summary>
    public (int Running, int Waiting) QueueLengths => (_scheduler.Running.Count, _scheduler.NumWaiting);

    /// <summary>What is wrong with the latency targets on this machine, or null. Callable from any thread.</summary>
    public string? BatchingAdvice => _batching.Policy.Advice;

    /// <summary>The longest sequence.</summary>
    internal int MaxModelLen => _options.MaxModelLen;

    /// <summary>Tokens that the model knows.</summary>
    internal int VocabSize => _vocabSize;

    /// <summary>The step-time model and the policy, for tests and measurements.</summary>
    internal BatchController<Completion> Batching => _batching;

    /// <summary>The meter that carries the engine's metrics.</summary>
    public Meter Meter => _metrics.Meter;

    /// <summary>Checks a request against the model and the limits. Unlike the rest, callable from any thread.</summary>
    /// <exception cref="InvalidRequestException">It cannot be run.</exception>
    public ValidatedRequest Validate(EngineRequest request)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return RequestValidation.Check(request, _options, _vocabSize, _tokenizer);
    }

    /// <summary>Refuses where the queue is too long for one more. Callable from any thread.</summary>
    /// <param name="pending">
    /// Requests on their way to <see cref="Add(ValidatedRequest, Action{RequestOutput})"/>.
    /// </param>
    /// <exception cref="EngineOverloadedException">It is; the exception says when it may be shorter.</exception>
    public void CheckQueue(int pending) => _admission.CheckQueue(pending);

    /// <summary>
    /// Takes a request in. Its outputs go to <paramref name="sink"/>, called from within <see cref="Step"/>.
    /// </summary>
    /// <exception cref="InvalidRequestException">It cannot be run; nothing has changed.</exception>
    public void Add(EngineRequest request, Action<RequestOutput> sink) => Add(Validate(request), sink);

    /// <summary>Takes a request in that <see cref="Validate"/> has found right.</summary>
    /// <exception cref="InvalidRequestException">One of its id is in flight; nothing has changed.</exception>
    public void Add(ValidatedRequest request, Action<RequestOutput> sink)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        SamplingParams p = request.Parameters;
        SamplingParams.Check(!_requests.Contains(request.Id), nameof(request.Id), $"is in flight already", request.Id);
        string? salt = _options.Scheduling.EnablePrefixCaching ? request.Options.CacheSalt : request.Id;
        var group = new RequestGroup
        {
            Request = request,
            PromptHashes = new PromptHashes(salt),
            Sink = sink,
            ArrivalTimestamp = _time.GetTimestamp(),
        };
        long seed = p.Seed ?? NextSeed(_arrivals);
        var rules = new SamplingRules(p, group.PromptTokenIds, _eosTokenIds, _tokenizer);
        group.Completions = [.. Enumerable.Range(0, p.N).Select(i => MakeCompletion(group, i, rules, seed))];
        group.BeginPromptLogprobs();
        _requests.Add(group);
        _admission.Enter(group);
        UpdateQueueMetrics();
    }

    /// <summary>
    /// Calls a request off: its blocks return at once. Unknown ids are ignored, since it may just have ended.
    /// </summary>
    public void Abort(string requestId)
    {
        if (_requests.TryAbort(requestId))
        {
            UpdateQueueMetrics();
        }
    }

    /// <summary>
    /// Times one or two small steps, so that the step-time model knows this machine's scale from the first request on.
    /// Takes some hundredths of a second, or a step of a large model; only before the first request.
    /// </summary>
    public void Probe()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_arrivals > 0)
        {
            throw new InvalidOperationException("the probe would overwrite the cache of requests");
        }

        StepProbe.Run(_runner, _batching.Model, _options.MaxModelLen, _time);
    }

    /// <summary>Plans, runs, samples and emits one step; false where nothing was to be done.</summary>
    public bool Step()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);

        // What happens between two steps of a busy engine is part of the time between two tokens.
        long started = _time.GetTimestamp();
        long since = _lastStepEnd == 0 ? started : _lastStepEnd;
        EndOverdue(started);
        StepPlan<Completion> plan = _batching.Plan(Seconds(started));
        if (plan.IsEmpty)
        {
            return false;
        }

        _results.Prepare(plan);
        _runner.Run(_results.Batch, _results.Logits);
        _results.Sample(plan, started, _time.GetTimestamp());
        _requests.Emit();
        long now = _time.GetTimestamp();
        double seconds = _time.GetElapsedTime(since, now).TotalSeconds;
        _metrics.RecordStep(plan, _cache, seconds, _batching.Ran(seconds));
        _lastStepEnd = HasWork ? now : 0;
        UpdateQueueMetrics();
        CheckIntegrityWhenIdle();
        return true;
    }

    /// <summary>Throws unless blocks, queues and requests agree with each other.</summary>
    public void CheckIntegrity()
    {
        _scheduler.CheckIntegrity();
        int unfinished = _requests.NumUnfinished;
        if (unfinished != _scheduler.Running.Count + _scheduler.NumWaiting)
        {
            throw new InvalidOperationException(
                $"engine: {unfinished} unfinished completions, but the scheduler has others");
        }
    }

    /// <summary>Forgets all cached prefixes; possible only while nothing runs.</summary>
    public bool TryResetPrefixCache() => _cache.Pool.TryReset();

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _metrics.Dispose();
        _runner.Dispose();
    }

    private Completion MakeCompletion(RequestGroup group, int index, SamplingRules rules, long seed)
    {
        SamplingParams p = group.Parameters;
        var sampling = new SamplingState(rules, seed, index, _options.Sampling.LogitsProcessors);
        bool scoresPrompt = p.WantsPromptLogprobs && index == 0;
        return new Completion(
            group,
            index,
            _arrivals++,
            sampling,
            new OutputText(_tokenizer, group.PromptTokenIds, p))
        {
            SharesPromptWithSiblings = p.N > 1,
            SkipReadingPrefixCache = scoresPrompt || p.SkipReadingPrefixCache == true,
            ScoresPrompt = scoresPrompt,
            ArrivalSeconds = Seconds(group.ArrivalTimestamp),
        };
    }

    private double Seconds(long timestamp) => _time.GetElapsedTime(0, timestamp).TotalSeconds;

    private long NextSeed(long ordinal)
    {
        long seed = _options.Sampling.Seed;
        (uint a, uint b, _, _) = Philox.Block(
            ((uint)ordinal, (uint)((ulong)ordinal >> 32), 1u, 0u), ((uint)seed, (uint)((ulong)seed >> 32)));
        return (long)(((ulong)a << 32) | b);
    }

    private void EndOverdue(long now)
    {
        while (_admission.TryTakeOverdue(now, out RequestGroup? group, out RequestTimeoutException? error))
        {
            _requests.Fail(group, error, now);
        }

        _requests.Emit();
    }

    private void UpdateQueueMetrics()
    {
        _metrics.SetQueues(_scheduler.Running.Count, _scheduler.NumWaiting);
        _admission.Update();
    }

    [Conditional("DEBUG")]
    private void CheckIntegrityWhenIdle()
    {
        if (!HasWork)
        {
            CheckIntegrity();
        }
    }
}

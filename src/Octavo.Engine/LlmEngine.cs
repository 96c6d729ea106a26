using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime.InteropServices;
using Octavo.Engine.Batching;
using Octavo.Engine.Blocks;
using Octavo.Engine.Output;
using Octavo.Engine.Sampling;
using Octavo.Engine.Scheduling;
using Octavo.Text;

namespace Octavo.Engine;

/// <summary>
/// The engine's core: requests go in, <see cref="Step"/> brings each of them closer to its end, outputs come out through
/// each request's own sink. It has no thread of its own and no lock: one caller at a time.
/// </summary>
public sealed class LlmEngine : IDisposable
{
    // Prompt log-probabilities need a row of logits for every token; a step takes no more of them than fit in these bytes.
    private const int PromptLogitsBytes = 64 << 20;

    private readonly IModelRunner _runner;
    private readonly LlmEngineOptions _options;
    private readonly Tokenizer? _tokenizer;
    private readonly TimeProvider _time;
    private readonly Scheduler _scheduler;
    private readonly KvCacheManager _cache;
    private readonly Sampler _sampler;
    private readonly StepBatch _batch;
    private readonly EngineMetrics _metrics;
    private readonly BatchController _batching;
    private readonly int _vocabSize;
    private readonly int[] _eosTokenIds;                   // those that the model can draw
    private readonly Dictionary<string, RequestGroup> _groups = new(StringComparer.Ordinal);
    private readonly FairShare _shares;
    private readonly PriorityQueue<RequestGroup, long> _deadlines = new();     // timestamp -> whose time is up then
    private readonly List<RequestGroup> _changed = [];
    private readonly List<int> _firstRows = [];            // plan's request -> its first row of logits
    private float[] _logits = [];
    private long _arrivals;
    private int _waiting;                                  // for other threads, as of the newest change
    private double _expectedWait;
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
        ArgumentNullException.ThrowIfNull(runner);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(runner);
        (_runner, _tokenizer, _options, _time) = (runner, tokenizer, options, time ?? TimeProvider.System);
        _cache = new KvCacheManager(
            new BlockPool(runner.NumBlocks, runner.BlockSize), options.EnablePrefixCaching, options.KvCacheWatermark);
        _scheduler = new Scheduler(_cache);
        _shares = new FairShare(options.PriorityAgeing.TotalSeconds, options.ClientWeights);
        _vocabSize = runner.VocabSize;
        _sampler = new Sampler(_vocabSize);
        _batch = new StepBatch(runner.BlockSize);
        var bounds = new StepLimits(
            options.MaxNumSeqs, options.MaxNumBatchedTokens, Math.Max(16, PromptLogitsBytes / (sizeof(float) * runner.VocabSize)));
        IBatchingPolicy policy = options.Batching == BatchingMode.Fixed ? new FixedBatching() : new AdaptiveBatching(options.Targets);
        _batching = new BatchController(policy, new StepTimeModel(), bounds, _scheduler, _cache.Pool);
        _eosTokenIds = [.. options.EosTokenIds.Where(id => (uint)id < (uint)runner.VocabSize)];
        _metrics = new EngineMetrics(options, _cache.Pool, _batching, _time);
    }

    /// <summary>True while a request is in flight.</summary>
    public bool HasWork => _scheduler.HasWork;

    /// <summary>The scheduler, for tests that watch it.</summary>
    internal Scheduler Scheduler => _scheduler;

    /// <summary>Requests that the last step ran, and those that wait.</summary>
    public (int Running, int Waiting) QueueLengths => (_scheduler.Running.Count, _scheduler.NumWaiting);

    /// <summary>What is wrong with the latency targets on this machine, or null. Callable from any thread.</summary>
    public string? BatchingAdvice => _batching.Policy.Advice;

    /// <summary>The longest sequence.</summary>
    internal int MaxModelLen => _options.MaxModelLen;

    /// <summary>Tokens that the model knows.</summary>
    internal int VocabSize => _vocabSize;

    /// <summary>The step-time model and the policy, for tests and measurements.</summary>
    internal BatchController Batching => _batching;

    /// <summary>The meter that carries the engine's metrics.</summary>
    public Meter Meter => _metrics.Meter;

    /// <summary>Checks a request against the model and the limits. Unlike the rest, callable from any thread.</summary>
    /// <exception cref="InvalidRequestException">It cannot be run.</exception>
    public void Validate(EngineRequest request)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        RequestValidation.Check(request, _options, _vocabSize, _tokenizer);
    }

    /// <summary>Refuses where the queue is too long for one more. Callable from any thread.</summary>
    /// <param name="pending">Requests on their way to <see cref="Add"/>.</param>
    /// <exception cref="EngineOverloadedException">It is; the exception says when it may be shorter.</exception>
    public void CheckQueue(int pending)
    {
        int waiting = Volatile.Read(ref _waiting) + pending;
        var expected = TimeSpan.FromSeconds(Volatile.Read(ref _expectedWait));
        if (_options.MaxQueue is { } most && waiting > 0 && waiting >= most)
        {
            throw Overloaded($"{waiting} requests wait already, the most that may (max_queue)");
        }

        if (_options.MaxQueueWait is { } longest && expected > longest)
        {
            throw Overloaded($"a request would wait about {expected.TotalSeconds:F0} s to be taken up, longer than max_queue_wait allows ({longest.TotalSeconds:F0} s)");
        }

        EngineOverloadedException Overloaded(string message) =>
            new(message, expected > TimeSpan.FromSeconds(1) ? expected : TimeSpan.FromSeconds(1));
    }

    /// <summary>Takes a request in. Its outputs go to <paramref name="sink"/>, called from within <see cref="Step"/>.</summary>
    /// <exception cref="InvalidRequestException">It cannot be run; nothing has changed.</exception>
    public void Add(EngineRequest request, Action<RequestOutput> sink)
    {
        ArgumentNullException.ThrowIfNull(sink);
        ObjectDisposedException.ThrowIf(_disposed, this);
        int maxOutput = RequestValidation.Check(request, _options, _vocabSize, _tokenizer);
        SamplingParams p = request.Parameters;
        SamplingParams.Check(!_groups.ContainsKey(request.Id), nameof(request.Id), $"is in flight already", request.Id);
        var group = new RequestGroup
        {
            Id = request.Id,
            Prompt = request.Prompt,
            PromptTokenIds = [.. request.PromptTokenIds],
            Parameters = p,
            MaxOutputTokens = maxOutput,
            Priority = request.Priority,
            Client = request.Client,
            PromptHashes = new PromptHashes(_options.EnablePrefixCaching ? request.CacheSalt : request.Id),
            Sink = sink,
            ArrivalTimestamp = _time.GetTimestamp(),
        };
        long seed = p.Seed ?? NextSeed(_arrivals);
        var rules = new SamplingRules(p, group.PromptTokenIds, _eosTokenIds, _tokenizer);
        group.Completions = [.. Enumerable.Range(0, p.N).Select(i => MakeCompletion(group, i, rules, seed))];
        group.BeginPromptLogprobs();
        _groups.Add(group.Id, group);
        double cost = _batching.EstimateCost(group.PromptTokenIds.Length);
        foreach (Completion completion in group.Completions)
        {
            completion.Rank = _shares.Enter(request.Client, request.Priority, Seconds(group.ArrivalTimestamp), cost);
            _scheduler.Add(completion);
        }

        if (_options.RequestTimeout is { } timeout)
        {
            _deadlines.Enqueue(group, group.ArrivalTimestamp + (long)(timeout.TotalSeconds * _time.TimestampFrequency));
        }

        UpdateQueueMetrics();
    }

    /// <summary>Calls a request off: its blocks return at once. Unknown ids are ignored, since it may just have ended.</summary>
    public void Abort(string requestId)
    {
        ArgumentNullException.ThrowIfNull(requestId);
        if (!_groups.TryGetValue(requestId, out RequestGroup? group))
        {
            return;
        }

        long now = _time.GetTimestamp();
        foreach (Completion completion in group.Completions.Where(c => !c.IsFinished))
        {
            completion.End(FinishReason.Abort, null);
            Retire(completion, now);
        }

        EmitAndForget(group);
        UpdateQueueMetrics();
    }

    /// <summary>
    /// Times a few steps, so that the step-time model knows this machine from the first request on. Takes about a second at
    /// most, far less with a small model; only before the first request.
    /// </summary>
    public void Probe()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_arrivals > 0)
        {
            throw new InvalidOperationException("the probe would overwrite the cache of requests");
        }

        StepProbe.Run(_runner, _batching.Model, _options.MaxModelLen, _options.MaxNumSeqs, _time);
    }

    /// <summary>Plans, runs, samples and emits one step; false where nothing was to be done.</summary>
    public bool Step()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);

        // What happens between two steps of a busy engine is part of the time between two tokens.
        long started = _time.GetTimestamp();
        long since = _lastStepEnd == 0 ? started : _lastStepEnd;
        EndOverdue(started);
        StepPlan plan = _batching.Plan(Seconds(started));
        if (plan.IsEmpty)
        {
            return false;
        }

        FillBatch(plan);
        _runner.Run(_batch, _logits.AsSpan(0, _batch.LogitsRows.Length * _runner.VocabSize));
        SampleTokens(plan, started);
        EmitOutputs();
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
        int unfinished = _groups.Values.Sum(g => g.Completions.Count(c => !c.IsFinished));
        if (unfinished != _scheduler.Running.Count + _scheduler.NumWaiting)
        {
            throw new InvalidOperationException($"engine: {unfinished} unfinished completions, but the scheduler has others");
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
        var sampling = new SamplingState(rules, seed, index, _options.LogitsProcessors);
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
        (uint a, uint b, _, _) = Philox.Block(
            ((uint)ordinal, (uint)((ulong)ordinal >> 32), 1u, 0u), ((uint)_options.Seed, (uint)((ulong)_options.Seed >> 32)));
        return (long)(((ulong)a << 32) | b);
    }

    private void FillBatch(StepPlan plan)
    {
        _batch.Clear();
        _firstRows.Clear();
        foreach (ScheduledRequest scheduled in plan.Requests)
        {
            var completion = (Completion)scheduled.Request;
            ReadOnlySpan<int> tokens = completion.Tokens.Slice(scheduled.Start, scheduled.NumTokens);
            int rows = Math.Max(CountPromptRows(completion, scheduled), scheduled.ReachesEnd ? 1 : 0);
            _firstRows.Add(_batch.AddSequence(
                tokens, scheduled.Start, CollectionsMarshal.AsSpan(completion.Blocks), rows));
        }

        int needed = checked(_batch.LogitsRows.Length * _runner.VocabSize);
        if (_logits.Length < needed)
        {
            _logits = GC.AllocateUninitializedArray<float>(Math.Max(needed, _logits.Length * 2), pinned: true);
        }
    }

    /// <summary>How many rows, counted back from the chunk's last token, hold prompt positions still to be scored.</summary>
    private static int CountPromptRows(Completion completion, ScheduledRequest scheduled)
    {
        RequestGroup group = completion.Group;
        int end = scheduled.Start + scheduled.NumTokens;
        bool scores = completion.Index == 0 && group.NextPromptRow < Math.Min(group.EndPromptRow, end);
        return scores ? end - group.NextPromptRow : 0;
    }

    private void SampleTokens(StepPlan plan, long started)
    {
        long now = _time.GetTimestamp();
        for (int i = 0; i < plan.Requests.Count; i++)
        {
            ScheduledRequest scheduled = plan.Requests[i];
            var completion = (Completion)scheduled.Request;
            completion.MarkScheduled(started);
            if (completion.IsFinished)
            {
                continue;                                  // a sibling failed earlier in this loop
            }

            try
            {
                ScorePrompt(completion, scheduled, _firstRows[i]);
                if (scheduled.ReachesEnd)
                {
                    SampleOne(completion, RowOf(i, plan), now);
                }
            }
            catch (Exception e)
            {
                // What one request's parameters or hooks break is that request's affair; the others go on.
                FailGroup(completion.Group, e, now);
            }
        }
    }

    private void ScorePrompt(Completion completion, ScheduledRequest scheduled, int row)
    {
        RequestGroup group = completion.Group;
        for (int rows = CountPromptRows(completion, scheduled); rows > 0 && group.NextPromptRow < group.EndPromptRow; rows--)
        {
            RequireFinite(Row(row), group.NextPromptRow);
            group.AcceptPromptRow(Row(row++));
        }
    }

    // Looked at before penalties and hooks, whose doing it might be afterwards.
    private static void RequireFinite(ReadOnlySpan<float> logits, int position)
    {
        float max = VectorMath.Max(logits);
        if (!float.IsFinite(max))
        {
            throw new ModelOutputException(
                $"the model computed logits that are not finite (the greatest after token {position} is {max}): its weights are damaged, or their type is too narrow");
        }
    }

    private void SampleOne(Completion completion, Span<float> logits, long now)
    {
        RequireFinite(logits, completion.NumTokens - 1);
        int token = _sampler.Sample(completion.Sampling, completion.OutputTokens, logits, out PositionLogprobs? logprobs);
        completion.Accept(token, logprobs, _options.MaxModelLen, _eosTokenIds);
        _metrics.RecordToken(completion, now);
        if (completion.IsFinished)
        {
            Retire(completion, now);
        }

        MarkChanged(completion.Group);
    }

    private void EndOverdue(long now)
    {
        while (_deadlines.TryPeek(out RequestGroup? group, out long deadline) && (group.IsForgotten || deadline <= now))
        {
            _deadlines.Dequeue();
            if (!group.IsForgotten)
            {
                FailGroup(group, new RequestTimeoutException($"the request did not end within {_options.RequestTimeout!.Value.TotalSeconds:G4} s (request_timeout)"), now);
            }
        }

        EmitOutputs();
    }

    private void FailGroup(RequestGroup group, Exception error, long now)
    {
        foreach (Completion completion in group.Completions.Where(c => !c.IsFinished))
        {
            completion.Fail(error);
            Retire(completion, now);
        }

        MarkChanged(group);
    }

    private void Retire(Completion completion, long now)
    {
        _scheduler.Finish(completion);
        _batching.Ended(completion);
        _shares.Leave(completion.Group.Client);
        _metrics.RecordFinished(completion, now);
    }

    private void MarkChanged(RequestGroup group)
    {
        if (_changed.Count == 0 || _changed[^1] != group)
        {
            _changed.Add(group);
        }
    }

    private void EmitOutputs()
    {
        foreach (RequestGroup group in _changed.Where(g => !g.IsForgotten))
        {
            EmitAndForget(group);
        }

        _changed.Clear();
    }

    private void EmitAndForget(RequestGroup group)
    {
        group.Emit(_time);
        if (group.IsFinished)
        {
            group.IsForgotten = true;
            _groups.Remove(group.Id);
        }
    }

    private Span<float> Row(int row) => _logits.AsSpan(row * _runner.VocabSize, _runner.VocabSize);

    /// <summary>The last row of a planned request: that of its last token.</summary>
    private Span<float> RowOf(int index, StepPlan plan)
    {
        int next = index + 1 < plan.Requests.Count ? _firstRows[index + 1] : _batch.LogitsRows.Length;
        return Row(next - 1);
    }

    private void UpdateQueueMetrics()
    {
        _metrics.SetQueues(_scheduler.Running.Count, _scheduler.NumWaiting);
        Volatile.Write(ref _waiting, _scheduler.NumWaiting);
        Volatile.Write(ref _expectedWait, _batching.EstimateWait());
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

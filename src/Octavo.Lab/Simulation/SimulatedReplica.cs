using Octavo.Engine;
using Octavo.Engine.Admission;
using Octavo.Engine.Batching;
using Octavo.Engine.Blocks;
using Octavo.Engine.Scheduling;
using Octavo.Engine.Sequences;
using Octavo.Lab.Workloads;

namespace Octavo.Lab.Simulation;

/// <summary>
/// One engine without a model: the real scheduler, block pool and policy, and steps that only take time.
/// </summary>
internal sealed class SimulatedReplica
{
    private const int VocabSize = 1 << 15;

    private readonly StepTimeModel _truth;
    private readonly FairShare _shares;
    private readonly SimulationOptions _options;
    private readonly Random _random;
    private StepPlan<SimulatedRequest>? _plan;
    private long _arrivals;

    public SimulatedReplica(SimulationOptions options, int index)
    {
        (_options, _random, _truth) = (options, new Random(options.Seed + index), options.MakeModel());
        SchedulingOptions scheduling = options.Scheduling;
        Cache = new KvCacheManager(
            new BlockPool(options.NumBlocks, options.BlockSize),
            CacheGroup.Everything,
            scheduling.EnablePrefixCaching,
            scheduling.StepTokens,
            scheduling.KvCacheWatermark);
        Scheduler = new Scheduler<SimulatedRequest>(Cache);
        _shares = new FairShare(scheduling);
        Batching = new BatchController<SimulatedRequest>(
            IBatchingPolicy.For(scheduling),
            options.MakeModel(),
            StepLimits.Of(scheduling),
            Scheduler,
            Cache.Pool);
    }

    public KvCacheManager Cache { get; }

    public Scheduler<SimulatedRequest> Scheduler { get; }

    public BatchController<SimulatedRequest> Batching { get; }

    /// <summary>When the running step ends; infinity where nothing runs.</summary>
    public double NextEvent { get; private set; } = double.PositiveInfinity;

    /// <summary>The running step; to who observes, the one that has just ended.</summary>
    public StepPlan<SimulatedRequest>? Plan => _plan;

    /// <summary>When it began.</summary>
    public double StepBegan { get; private set; }

    /// <summary>Tokens that those in the house have still to compute, as far as is known on arrival.</summary>
    public long Load { get; private set; }

    public SimulatedRequest Add(RequestRecord record, double now)
    {
        WorkloadRequest r = record.Request;
        var request = new SimulatedRequest(record, r.MakePrompt(VocabSize), _arrivals++) { ArrivalSeconds = r.Arrival };
        request.Rank = _shares.Enter(r.Client, r.Priority, now, Batching.EstimateCost(r.PromptTokens));
        Scheduler.Add(request);
        Load += r.PromptTokens;
        if (_plan is null)
        {
            BeginStep(now);
        }

        return request;
    }

    /// <summary>A client goes away; between two steps at the earliest, as in the engine.</summary>
    public void Abort(SimulatedRequest request, double now)
    {
        request.Aborted = true;
        if (_plan is null)
        {
            DropAborted(request, now);
        }
    }

    /// <summary>The running step ends: who has caught up gets a token, and the next step begins.</summary>
    public void EndStep()
    {
        double now = NextEvent;
        Batching.Ran(now - StepBegan);
        foreach (ScheduledSequence<SimulatedRequest> s in _plan!.Sequences)
        {
            SimulatedRequest request = s.Sequence;
            Scheduler.Accept(request);
            if (!s.ReachesEnd || request.Aborted)
            {
                continue;
            }

            request.Append(_random.Next(VocabSize));
            request.Record.Token(now);
            if (request.NumOutputTokens == request.Record.Request.OutputTokens)
            {
                Retire(request, now, failed: false);
            }
        }

        foreach (SimulatedRequest request in Scheduler.Running.Concat(Scheduler.Waiting).Where(r => r.Aborted).ToList())
        {
            DropAborted(request, now);
        }

        _options.Observe?.Invoke(this);
        BeginStep(now);
    }

    private void DropAborted(SimulatedRequest request, double now)
    {
        if (request.Status != SequenceStatus.Finished)
        {
            Retire(request, now, failed: true);
        }
    }

    private void Retire(SimulatedRequest request, double now, bool failed)
    {
        Scheduler.Finish(request);
        Batching.Ended(request);
        _shares.Leave(request.Record.Request.Client);
        request.Record.Finish(now, failed);
        Load -= request.NumPromptTokens;
    }

    private void BeginStep(double now)
    {
        StepPlan<SimulatedRequest> plan = Batching.Plan(now);
        if (plan.IsEmpty)
        {
            (_plan, NextEvent) = (null, double.PositiveInfinity);
            return;
        }

        double seconds = _truth.Predict(StepLoad.Of(plan)) * Math
            .Max(0.5, 1 + (_options.StepTimes.Noise * Draws.Normal(_random)));
        seconds *= _random.NextDouble() < _options.SlowSteps ? _options.SlowFactor : 1;
        (_plan, StepBegan, NextEvent) = (plan, now, now + seconds);
    }
}

/// <summary>A request of a workload on its way through a replica.</summary>
internal sealed class SimulatedRequest(RequestRecord record, int[] prompt, long arrival)
    : Sequence(
        record.Request.Client ?? "r",
        prompt,
        record.Request.OutputTokens,
        record.Request.Priority,
        arrival,
        new PromptHashes(null))
{
    public RequestRecord Record { get; } = record;

    public bool Aborted { get; set; }
}

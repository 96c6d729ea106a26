using Octavo.Engine.Blocks;
using Octavo.Engine.Scheduling;
using Octavo.Engine.Sequences;

namespace Octavo.Engine.Batching;

/// <summary>
/// What stands between the scheduler and its policy: takes the snapshot, remembers how long prompts and outputs are,
/// and lets model and policy learn from each step. The engine and the simulator run the same one.
/// </summary>
internal sealed class BatchController<T>(
    IBatchingPolicy policy, StepTimeModel model, StepLimits bounds, Scheduler<T> scheduler, BlockPool pool)
    where T : Sequence
{
    private const double LengthSpeed = 0.05;
    private const double FirstPrompt = 128;      // before any request has told otherwise
    private const double FirstOutput = 64;
    private const int LeastGrowth = 16;

    private readonly StepLimits _bounds = bounds;
    private StepLoad _load;

    public StepTimeModel Model => model;

    public IBatchingPolicy Policy => policy;

    /// <summary>The limits of the newest step.</summary>
    public StepLimits Limits { get; private set; } = bounds;

    /// <summary>Hears of each step that was run, for measurements.</summary>
    public Action<StepLoad, double>? StepRan { get; set; }

    public double MeanPrompt { get; private set; } = FirstPrompt;

    public double MeanOutput { get; private set; } = FirstOutput;

    /// <summary>Plans the next step, which begins now.</summary>
    public StepPlan<T> Plan(double now)
    {
        Limits = policy.Decide(TakeSnapshot(now), model);
        StepPlan<T> plan = scheduler.Schedule(Limits);
        _load = StepLoad.Of(plan);
        foreach (ScheduledSequence<T> s in plan.Sequences)
        {
            if (s.Sequence.NumOutputTokens == 0 && s.Start == s.Sequence.NumCachedTokens)
            {
                MeanPrompt += LengthSpeed * (s.Sequence.NumPromptTokens - s.Sequence.NumCachedTokens - MeanPrompt);
            }
        }

        return plan;
    }

    /// <summary>Hears how long the newest plan's step took.</summary>
    /// <returns>What it had been predicted to take.</returns>
    public double Ran(double seconds)
    {
        double predicted = model.Observe(_load, seconds);
        policy.Observe(_load, predicted, seconds);
        StepRan?.Invoke(_load, seconds);
        return predicted;
    }

    /// <summary>Hears of a request that has ended.</summary>
    public void Ended(Sequence sequence)
    {
        if (sequence.NumOutputTokens > 0)
        {
            MeanOutput += LengthSpeed * (sequence.NumOutputTokens - MeanOutput);
        }
    }

    /// <summary>
    /// Seconds that a request which came now would wait to be taken up: the prompts before it, and the endings that it
    /// must wait for, at the rate at which this load lets requests end.
    /// </summary>
    public double EstimateWait()
    {
        int waiting = scheduler.NumWaiting;
        if (waiting == 0 && scheduler.Running.Count < Limits.MaxNumSeqs)
        {
            return 0;
        }

        int batch = Math.Max(1, Limits.MaxNumSeqs);
        double step = model.Predict(AdaptiveBatching.SteadyLoad(batch, MeanPrompt, MeanOutput));
        double endings = batch / (Math.Max(1, MeanOutput) * step);      // a second
        int before = Math.Max(0, scheduler.Running.Count + waiting + 1 - batch);
        double prompts = scheduler.WaitingTokens * AdaptiveBatching.SecondsPerPromptToken(model, MeanPrompt);
        return Math.Max(prompts, before / endings);
    }

    /// <summary>Seconds that a request keeps the machine busy, at the batch size of now.</summary>
    public double EstimateCost(int promptTokens)
    {
        int batch = Math.Max(1, Limits.MaxNumSeqs);
        double decode = model.Predict(
            StepLoad.Decode(batch, (long)(batch * (promptTokens + (MeanOutput / 2))))) / batch;
        return (promptTokens * AdaptiveBatching.SecondsPerPromptToken(model, promptTokens)) + (MeanOutput * decode);
    }

    private BatchingSnapshot TakeSnapshot(double now)
    {
        int decoding = 0;
        int prefilling = 0;
        int prefillStart = 0;
        long context = 0;
        long prefill = 0;
        long growth = 0;
        foreach (T r in scheduler.Running)
        {
            int left = r.NumTokens - r.NumScheduledTokens;
            growth += (long)Math.Max(LeastGrowth, MeanOutput - r.NumOutputTokens);
            if (left == 1)
            {
                decoding++;
                context += r.NumTokens;
                continue;
            }

            prefillStart = prefilling++ == 0 ? r.NumScheduledTokens : prefillStart;
            prefill += left;
            growth += left;
        }

        return new BatchingSnapshot
        {
            Bounds = _bounds,
            Now = now,
            NumDecoding = decoding,
            DecodeContext = context,
            NumPrefilling = prefilling,
            PrefillTokens = prefill,
            PrefillStart = prefillStart,
            NumWaiting = scheduler.NumWaiting,
            WaitingTokens = scheduler.WaitingTokens,
            FreeTokens = (long)pool.FreeCount * pool.BlockSize,
            ExpectedGrowth = growth,
            MeanPrompt = MeanPrompt,
            MeanOutput = MeanOutput,
        };
    }
}

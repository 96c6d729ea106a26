using System.Globalization;
using Octavo.Engine.Scheduling;

namespace Octavo.Engine.Batching;

/// <summary>
/// Holds an inter-token target: as many prompt tokens and requests in each step as the step-time model says the target
/// has room for. Model-predictive control: the model looks ahead, and the margin, a quantile of what its predictions of
/// full steps missed, closes the loop.
/// </summary>
/// <remarks>
/// Three decisions a step (docs/batching.md derives them):
/// how long the step may be: the target under pressure, less where the waiting prompts are soon computed anyway; as
/// long as it likes while no request is between two tokens, for the target is nobody's then, and up to four targets
/// where few are and the target's percentile allows it;
/// how many prompt tokens fit beside the decoding requests;
/// how many requests may run: as many as would fit if each step also computed the prompts of those that replace the
/// ones that end, and as the cache has room for to their ends.
/// </remarks>
internal sealed class AdaptiveBatching(BatchingTargets targets) : IBatchingPolicy
{
    /// <summary>
    /// While somebody waits for a first token, no step computes fewer prompt tokens, whatever the target.
    /// </summary>
    public const int LeastPrefill = 16;

    private const double RelaxedPart = 0.4;          // of the target, for a step under no pressure
    // Of the patience; as many seconds of waiting prompts are full pressure.
    private const double PressurePart = 0.25;
    private const int PatienceSteps = 5;             // patience without a first-token target, in inter-token targets
    // Where one sequence alone misses the target: so many times its step.
    private const double DegradedSteps = 4;
    private const int LongPromptSteps = 4;           // a prompt of more steps than this shares them with shorter ones
    private const double Hysteresis = 0.9;
    private const int LateSteps = 4;                 // the longest step that keeps somebody waiting, in targets

    private readonly ErrorMargin _margin = new(targets.Percentile);
    private readonly LateBudget _late = new(targets.Percentile);
    private readonly double _interToken = targets.InterToken.TotalSeconds;
    private bool _impossible;
    private int _decoding;                           // requests between two tokens in the newest step
    private double _limit = targets.InterToken.TotalSeconds;

    public string? Advice { get; private set; }

    /// <summary>Predictions are held so many times below the target.</summary>
    public double Margin => _margin.Value;

    public StepLimits Decide(in BatchingSnapshot snapshot, StepTimeModel model)
    {
        _limit = FullStep(snapshot, model);
        _decoding = snapshot.NumDecoding;
        double step = _decoding == 0
            ? double.PositiveInfinity
            : Math.Max(
                _limit * (RelaxedPart + ((1 - RelaxedPart) * Pressure(snapshot, model))), LateStep(snapshot, model));
        int prefill = PrefillTokens(snapshot, model, step);
        int seqs = Math.Min(SteadyBatch(snapshot, model, _limit), snapshot.NumRunning + RoomFor(snapshot));
        return snapshot.Bounds with
        {
            MaxNumSeqs = Math.Clamp(seqs, 1, snapshot.Bounds.MaxNumSeqs),
            MaxPrefillTokens = prefill,
            LateBefore = LateBefore(snapshot, model, prefill, Math.Min(step, _limit)),
            LongPromptTokens = (int)Math.Min(int.MaxValue, (long)LongPromptSteps * prefill),
        };
    }

    public void Observe(in StepLoad load, double predicted, double actual)
    {
        _late.Add(_decoding, actual > _interToken);
        // Short steps miss by other things than long ones, and so do those that had no limit; only those near the
        // limit say what the limit must leave free.
        if (predicted > _limit / 2 && predicted < 2 * _limit)
        {
            _margin.Add(actual / predicted);
        }
    }

    /// <summary>Seconds that a prompt token costs beside others, at the mean prompt's length.</summary>
    public static double SecondsPerPromptToken(StepTimeModel model, double meanPrompt)
    {
        const int Chunk = 256;
        StepLoad base32 = StepLoad.Decode(32, 0);
        return (model.Predict(base32.WithPrefill(Chunk, (int)(meanPrompt / 2))) - model.Predict(base32)) / Chunk;
    }

    /// <summary>
    /// The load of a step in which every request that ends is replaced: n decode, and n outputs' share of a prompt is
    /// computed.
    /// </summary>
    public static StepLoad SteadyLoad(int n, double meanPrompt, double meanOutput)
    {
        double prefill = n * meanPrompt / Math.Max(1, meanOutput);
        return StepLoad.Decode(n, (long)(n * (meanPrompt + (meanOutput / 2)))) with
        {
            Tokens = n + (int)Math.Ceiling(prefill),
            PrefillPairs = prefill * meanPrompt / 2,
        };
    }

    /// <summary>The predicted time that a step may have at most.</summary>
    private double FullStep(in BatchingSnapshot s, StepTimeModel model)
    {
        double alone = model.Predict(StepLoad.Decode(1, (long)(s.MeanPrompt + (s.MeanOutput / 2))));
        double wanted = alone * Margin * (_impossible ? 1 / Hysteresis : 1);
        _impossible = wanted > _interToken;
        double full = _impossible ? DegradedSteps * alone : _interToken / Margin;
        Advice = _impossible
            ? $"the inter-token target of {Milliseconds(_interToken)} cannot be met on this machine: one sequence "
                + "alone takes "
              + $"{Milliseconds(alone * Margin)} a token; steps of {Milliseconds(full)} give nearly the best "
                  + "throughput instead"
            : FirstTokenAdvice(s, model);
        return full;
    }

    private string? FirstTokenAdvice(in BatchingSnapshot s, StepTimeModel model)
    {
        double prompt = s.MeanPrompt * SecondsPerPromptToken(model, s.MeanPrompt);
        return targets.FirstToken is { } target && prompt > target.TotalSeconds
            ? $"the first-token target of {Milliseconds(target.TotalSeconds)} cannot be met on this machine: a prompt "
                + $"of {s.MeanPrompt:F0} tokens, "
              + $"the recent mean, takes {Milliseconds(prompt)} alone; prompts are computed in the order of arrival"
            : null;
    }

    /// <summary>
    /// 0 where nothing waits, 1 where the prompts to compute take a good part of what a client has patience for.
    /// </summary>
    private double Pressure(in BatchingSnapshot s, StepTimeModel model)
    {
        double backlog = (s.PrefillTokens + s.WaitingTokens) * SecondsPerPromptToken(model, s.MeanPrompt);
        double patience = targets.FirstToken?.TotalSeconds ?? (PatienceSteps * _interToken);
        return Math.Clamp(backlog / (PressurePart * patience), 0, 1);
    }

    /// <summary>
    /// A step beyond the target that computes every prompt to its end, so that first tokens come at once; 0 where it
    /// would keep too many waiting, or for too long.
    /// </summary>
    private double LateStep(in BatchingSnapshot s, StepTimeModel model)
    {
        if (!_late.Allows(s.NumDecoding))
        {
            return 0;
        }

        int tokens = (int)Math.Min(s.PrefillTokens + s.WaitingTokens, s.Bounds.MaxNumBatchedTokens);
        double needed = model.Predict(
            StepLoad.Decode(s.NumDecoding, s.DecodeContext).WithPrefill(tokens, s.PrefillStart));
        return needed <= LateSteps * _interToken / Margin ? needed : 0;
    }

    /// <summary>
    /// Who came before this cannot have its first token in time any more, were it taken up now: the prompts that are
    /// being computed come first, then its own.
    /// </summary>
    private double LateBefore(in BatchingSnapshot s, StepTimeModel model, int prefill, double step)
    {
        if (targets.FirstToken is not { } target)
        {
            return double.NegativeInfinity;
        }

        double tokens = s.PrefillTokens + s.MeanPrompt;
        double needed = Math.Max(
            tokens * SecondsPerPromptToken(model, s.MeanPrompt), Math.Ceiling(tokens / Math.Max(1, prefill)) * step);
        return s.Now - Math.Max(0, target.TotalSeconds - needed - step);
    }

    private static int PrefillTokens(in BatchingSnapshot s, StepTimeModel model, double seconds)
    {
        var decode = StepLoad.Decode(s.NumDecoding, s.DecodeContext);
        int start = s.PrefillStart;
        int room = s.Bounds.MaxNumBatchedTokens - Math.Min(s.NumDecoding, s.Bounds.MaxNumBatchedTokens - 1);
        int fitting = LargestFitting(0, room, n => model.Predict(decode.WithPrefill(n, start)) <= seconds);
        return Math.Max(fitting, Math.Min(LeastPrefill, room));
    }

    private static int SteadyBatch(in BatchingSnapshot s, StepTimeModel model, double seconds)
    {
        (double prompt, double output) = (s.MeanPrompt, s.MeanOutput);
        return LargestFitting(1, s.Bounds.MaxNumSeqs, n => model.Predict(SteadyLoad(n, prompt, output)) <= seconds);
    }

    private static int RoomFor(in BatchingSnapshot s)
    {
        double each = Math.Max(1, s.MeanPrompt + s.MeanOutput);
        long left = s.FreeTokens - s.ExpectedGrowth;
        return left <= 0 ? 0 : (int)Math.Min(s.Bounds.MaxNumSeqs, left / each);
    }

    /// <summary>The largest number that fits, by halving; <paramref name="least"/> where none does.</summary>
    private static int LargestFitting(int least, int most, Func<int, bool> fits)
    {
        int low = least;
        int high = Math.Max(least, most);
        while (low < high)
        {
            int middle = low + ((high - low + 1) / 2);
            (low, high) = fits(middle) ? (middle, high) : (low, middle - 1);
        }

        return low;
    }

    private static string Milliseconds(double seconds) =>
        string.Create(CultureInfo.InvariantCulture, $"{seconds * 1000:F0} ms");
}

using Octavo.Lab.Workloads;

namespace Octavo.Lab.Tuning;

/// <summary>How a tuning's time is spent: which settings are tried, and how long each run is.</summary>
/// <remarks>
/// Nearly half of the time goes to the search, nearly half to the finalists and to the confirmation of the best. A
/// stage of the search runs twice as long as the one before, with a third of the settings.
/// </remarks>
internal sealed class TunePlan
{
    public const int Keep = 3;              // one setting in three goes on to a longer run
    public const int Finalists = 3;
    public const int MostFinalists = Finalists + 2;         // vLLM's defaults and adaptive batching beside them
    public const int Rounds = 5;
    public const int MostRounds = 15;       // of the confirmation, while noise hides which is better
    public const int LeastRequests = 16;    // of a run, where the load has so many
    public const int Compared = 2;          // in the confirmation: the best and the next

    private const double SearchPart = 0.45;
    private const double FinalPart = 0.45;
    private const double WarmUpPart = 0.02;
    private const double LeastWarmUp = 1;   // in less, a process that has just begun is all start and no work
    private const double MostWarmUp = 5;

    private static readonly (int[] Seqs, int[] Tokens)[] Grids =
    [
        ([4, 8, 16, 32, 64, 128], [64, 128, 256, 512, 1024, 2048]),
        ([4, 16, 64, 128], [64, 256, 1024, 2048]),
        ([8, 32, 128], [128, 512, 2048]),
    ];

    private readonly Workload _workload;
    private readonly double _secondsBetweenArrivals;

    /// <summary>Makes a plan.</summary>
    /// <param name="workload">The load; its number of requests is the most that a run has.</param>
    /// <param name="budget">Seconds for all.</param>
    /// <param name="maxNumBatchedTokens">The most tokens that the model's runner was made for.</param>
    public TunePlan(Workload workload, double budget, int maxNumBatchedTokens)
    {
        (_workload, Budget, MaxNumBatchedTokens) = (workload, budget, maxNumBatchedTokens);
        IReadOnlyList<WorkloadRequest> load = workload.Make();
        MostRequests = load.Count;
        MeanOutput = load.Average(r => r.OutputTokens);
        _secondsBetweenArrivals = load.Count < 2 ? 0 : (load[^1].Arrival - load[0].Arrival) / (load.Count - 1);
    }

    public double Budget { get; }

    public int MaxNumBatchedTokens { get; }

    public int MostRequests { get; }

    public double MeanOutput { get; }

    public TuneTrial WarmUp => new(
        TuneTrial.WarmUp, 0, new BatchSetting(
            BatchingMode.Fixed,
            32,
            Math.Min(512, MaxNumBatchedTokens)), MostRequests, Math.Clamp(WarmUpPart * Budget,
            LeastWarmUp,
            MostWarmUp));

    /// <summary>The settings to try: the finest grid that the time allows, or the coarsest.</summary>
    /// <param name="secondsPerRequest">That a request keeps the machine busy.</param>
    public IReadOnlyList<BatchSetting> Settings(double secondsPerRequest)
    {
        double least = RunSeconds(LeastLoad(), secondsPerRequest);
        return Grids.Select(Settings).FirstOrDefault(
            g => SearchRuns(g.Count) * least <= SearchPart * Budget) ?? Settings(Grids[^1]);
    }

    /// <summary>A trial of the search's <paramref name="stage"/>, counted from 0.</summary>
    public TuneTrial Search(int stage, BatchSetting setting, int settings, double secondsPerRequest)
    {
        double first = SearchPart * Budget / SearchRuns(settings);
        return Trial($"search {stage + 1}", 0, setting, first * (1 << stage), secondsPerRequest);
    }

    /// <summary>A run of a finalist.</summary>
    public TuneTrial Final(int round, BatchSetting setting, double secondsPerRequest) =>
        Trial(TuneTrial.Final, round, setting, FinalPart * Budget / FinalRuns, secondsPerRequest);

    /// <summary>A run of the two best against each other.</summary>
    public TuneTrial Confirm(int round, BatchSetting setting, double secondsPerRequest) =>
        Trial(TuneTrial.Confirm, round, setting, FinalPart * Budget / FinalRuns, secondsPerRequest);

    /// <summary>Seconds that everything takes.</summary>
    public double TotalSeconds(int settings, double secondsPerRequest)
    {
        double seconds = FinalRuns * Final(0, BatchSetting.Adaptive, secondsPerRequest).Seconds;
        int stage = 0;
        foreach (int count in StageSizes(settings))
        {
            seconds += count * Search(stage++, BatchSetting.Adaptive, settings, secondsPerRequest).Seconds;
        }

        return seconds;
    }

    /// <summary>How many settings each stage of the search runs.</summary>
    public static IEnumerable<int> StageSizes(int settings)
    {
        for (int left = settings; left > Finalists; left = Survivors(left))
        {
            yield return left;
        }
    }

    /// <summary>How many of so many settings go on.</summary>
    public static int Survivors(int settings) => Math.Max(Finalists, settings / Keep);

    private static int FinalRuns => Rounds * (MostFinalists + Compared);

    private static int SearchRuns(int settings) =>
        Math.Max(1, StageSizes(settings).Select((count, stage) => count << stage).Sum());

    // Limits that the model's runner was not made for are left out; and so are those that more requests at once than
    // there are would not reach.
    private List<BatchSetting> Settings((int[] Seqs, int[] Tokens) grid)
    {
        int enough = grid.Seqs.FirstOrDefault(s => s >= MostRequests, grid.Seqs[^1]);
        return [.. from s in grid.Seqs
                   from t in grid.Tokens
                   where s <= enough && t >= s && t <= MaxNumBatchedTokens
                   select new BatchSetting(BatchingMode.Fixed, s, t)];
    }

    private TuneTrial Trial(string stage, int round, BatchSetting setting, double seconds, double secondsPerRequest)
    {
        double each = Math.Max(secondsPerRequest, _secondsBetweenArrivals);
        int requests = Math.Clamp((int)Math.Min(seconds / each, int.MaxValue), LeastLoad(), MostRequests);
        return new TuneTrial(stage, round, setting, requests, RunSeconds(requests, secondsPerRequest));
    }

    private double RunSeconds(int requests, double secondsPerRequest) =>
        requests * Math.Max(secondsPerRequest, _secondsBetweenArrivals);

    // A load that comes in turns shows nothing of itself in less than a whole one.
    private int LeastLoad()
    {
        double period = _workload.Trace is null && _workload.Arrivals == ArrivalProcess.OnOff
            ? _workload.Period * (_workload.Rate + _workload.PeakRate) / 2
            : 0;
        return Math.Min(MostRequests, Math.Max(LeastRequests, (int)Math.Min(period, int.MaxValue)));
    }
}

using Octavo.Lab.Workloads;

namespace Octavo.Lab.Scenarios;

/// <summary>
/// What each setting reached under one scenario. A round has the same requests for all settings and another round has
/// others, so settings are compared within rounds; the median of the rounds' ratios counts.
/// </summary>
/// <param name="Scenario">Its name.</param>
/// <param name="Rounds">Requests a second that met both targets, in each round.</param>
internal sealed record ScenarioResult(string Scenario, IReadOnlyDictionary<BatchSetting, IReadOnlyList<double>> Rounds)
{
    private const double Least = 1e-9;

    /// <summary>Fixed settings, the best first.</summary>
    public IEnumerable<BatchSetting> BestFixed =>
        Rounds.Keys.Where(s => s.Batching == BatchingMode.Fixed).OrderByDescending(Goodput)
            .ThenBy(s => s.MaxNumBatchedTokens);

    /// <summary>What a setting reached: requests a second, the median of all rounds.</summary>
    public double Goodput(BatchSetting setting) => LoadFigures.Median(Rounds[setting]);

    /// <summary>
    /// What a setting reached in each round, over what the best fixed one did there; both nothing is alike.
    /// </summary>
    public IReadOnlyList<double> Ratios(BatchSetting setting) =>
        [.. Rounds[setting].Zip(Rounds[BestFixed.First()], (it, best) => (it + Least) / (best + Least))];

    /// <summary>The median of <see cref="Ratios"/>.</summary>
    public double Relative(BatchSetting setting) => LoadFigures.Median(Ratios(setting));

    /// <summary>The fixed setting that is best over all scenarios, each relative to its best fixed one.</summary>
    /// <param name="all">The scenarios; only settings that ran under each of them count.</param>
    public static BatchSetting BestSingle(IReadOnlyCollection<ScenarioResult> all) =>
        all.First().BestFixed.Where(s => all.All(r => r.Rounds.ContainsKey(s))).MaxBy(s => Mean(all, s))!;

    /// <summary>A setting's mean over all scenarios, each relative to its best fixed setting.</summary>
    public static double Mean(IReadOnlyCollection<ScenarioResult> all, BatchSetting setting) =>
        all.Average(r => r.Relative(setting));
}

using Octavo.Lab.Workloads;

namespace Octavo.Lab.Tuning;

/// <summary>A setting and its runs, all of one length.</summary>
internal sealed record Measured(BatchSetting Setting, IReadOnlyList<LoadFigures> Runs)
{
    /// <summary>
    /// Settings whose goodput differs by less are taken for alike; then the one with shorter times between tokens is
    /// better.
    /// </summary>
    public const double Alike = 0.02;

    public Interval Goodput => Of(f => f.Goodput);

    public Interval TokensPerSecond => Of(f => f.TokensPerSecond);

    public Interval FirstTokenP95 => Of(f => f.TimeToFirstToken.P95);

    public Interval InterTokenP50 => Of(f => f.InterTokenLatency.P50);

    public Interval InterTokenP95 => Of(f => f.InterTokenLatency.P95);

    public double GoodPart => Runs.Average(f => f.GoodPart);

    /// <summary>
    /// The best first: most requests a second that met the targets; of those alike, least time between tokens; where no
    /// setting met them, most tokens a second.
    /// </summary>
    public static IReadOnlyList<Measured> Rank(IEnumerable<Measured> all)
    {
        Measured[] byGoodput =
            [.. all.OrderByDescending(m => m.Goodput.Mean).ThenByDescending(m => m.TokensPerSecond.Mean)];
        double best = byGoodput.Length == 0 ? 0 : byGoodput[0].Goodput.Mean;
        int alike = best > 0 ? byGoodput.Count(m => m.Goodput.Mean >= (1 - Alike) * best) : 0;
        return [.. byGoodput.Take(alike).OrderBy(m => m.InterTokenP95.Mean), .. byGoodput.Skip(alike)];
    }

    private Interval Of(Func<LoadFigures, double> figure) => Interval.Of([.. Runs.Select(figure)]);
}

/// <summary>How the best and the next did in runs against each other that the choice did not know.</summary>
internal sealed record Confirmation(Measured Best, Measured Next)
{
    /// <summary>How much better the best was than the next, as a part of the next, round by round.</summary>
    public Interval Lead
    {
        get
        {
            bool anyGood = Best.Goodput.Mean + Next.Goodput.Mean > 0;
            double scale = anyGood
                ? Math.Max(Best.Goodput.Mean, Next.Goodput.Mean)
                : Math.Max(1e-9, Next.TokensPerSecond.Mean);
            return Interval.Of(
                [.. Best.Runs.Zip(
                    Next.Runs, (b, n) => ((anyGood
                        ? b.Goodput
                        : b.TokensPerSecond) - (anyGood ? n.Goodput : n.TokensPerSecond)) / scale)]);
        }
    }

    /// <summary>True where the best was better beyond noise.</summary>
    public bool IsBetter => Lead.Mean - Lead.HalfWidth > 0;

    /// <summary>
    /// True where more runs would say nothing that matters: one is better beyond noise, or noise is less than what
    /// counts as alike.
    /// </summary>
    public bool IsDecided => Math.Abs(Lead.Mean) > Lead.HalfWidth || Lead.HalfWidth <= Measured.Alike;

    /// <summary>True unless the next was better beyond noise, and by more than what counts as alike.</summary>
    public bool Holds => Lead.Mean >= -Math.Max(Lead.HalfWidth, Measured.Alike);
}

/// <summary>What a tuning found.</summary>
/// <param name="Search">Every fixed setting that did not come to the finals, by its longest run.</param>
/// <param name="Final">The finalists, the best first, and adaptive batching.</param>
/// <param name="Best">The best pair of fixed limits. Where the confirmation did not hold, what was the next.</param>
/// <param name="Confirmation">The best against the next; null where only one setting was tried.</param>
/// <param name="Measurements">Runs of this process; the rest were known.</param>
internal sealed record TuneResult(
    IReadOnlyList<Measured> Search,
    IReadOnlyList<Measured> Final,
    BatchSetting Best,
    Confirmation? Confirmation,
    int Measurements)
{
    /// <summary>Adaptive batching.</summary>
    public Measured Adaptive => Final.First(m => m.Setting.Batching == BatchingMode.Adaptive);

    /// <summary>The best pair of limits.</summary>
    public Measured BestFixed => Final.First(m => m.Setting == Best);
}

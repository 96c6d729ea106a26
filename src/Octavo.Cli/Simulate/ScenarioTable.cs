using Octavo.Cli.Terminal;
using Octavo.Lab.Scenarios;
using Octavo.Lab.Workloads;
using Spectre.Console;

namespace Octavo.Cli.Simulate;

/// <summary>Scenarios as a table.</summary>
internal static class ScenarioTable
{
    /// <summary>Makes it.</summary>
    /// <param name="title">What the figures are.</param>
    /// <param name="results">The scenarios.</param>
    public static Table Make(string title, IReadOnlyList<ScenarioResult> results)
    {
        Table table = new Table
        {
            Title = new TableTitle(Markup.Escape(title)),
            Caption = new TableTitle(
                "requests a second that met both targets, medians of all rounds; ratios are the median of the rounds' "
                + "own and, in brackets, the least and the greatest; "
                + "'all' is the mean of each setting over the best fixed one of each scenario, and 'sum' adds up "
                    + "requests a second"),
        }.AddColumns(
            "scenario", "adaptive", "best fixed", "its limits", "adaptive to it", "best single fixed",
            $"vLLM's defaults ({BatchSetting.VllmDefaults})");
        BatchSetting single = ScenarioResult.BestSingle(results);
        foreach (ScenarioResult r in results)
        {
            BatchSetting best = r.BestFixed.First();
            table.AddRow(
                r.Scenario, Number(r.Goodput(BatchSetting.Adaptive)), Number(r.Goodput(best)), best
                    .ToString(), Ratio(r.Ratios(BatchSetting.Adaptive), r.Relative(BatchSetting.Adaptive)),
                Number(r.Goodput(single)), Number(r.Goodput(BatchSetting.VllmDefaults)));
        }

        AddTotal(table, "all", single, "1.00", setting => ScenarioResult.Mean(results, setting));
        AddTotal(
            table,
            "sum",
            single,
            Number(results.Sum(r => r.Goodput(r.BestFixed.First()))),
            setting => results.Sum(r => r.Goodput(setting)));
        return table;
    }

    private static void AddTotal(
        Table table,
        string name,
        BatchSetting single,
        string bestOfEach,
        Func<BatchSetting,
        double> total) => table.AddRow(
        name,
        Number(total(BatchSetting.Adaptive)),
        bestOfEach,
        $"best single: {single}",
        $"{Number(total(BatchSetting.Adaptive) / total(single))} (to the best single)",
        Number(total(single)), Number(total(BatchSetting.VllmDefaults)));

    private static string Ratio(IReadOnlyList<double> ratios, double median) =>
        ratios.Count == 1 ? Number(median) : $"{Number(median)} ({Number(ratios.Min())}–{Number(ratios.Max())})";

    private static string Number(double value) => Figures.Number(value, 2);
}

using Spectre.Console;

namespace Octavo.Cli.Scenarios;

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
            Caption = new TableTitle("requests a second that met both targets; the last line is the mean of each over its best fixed setting"),
        }.AddColumns("scenario", "adaptive", "best fixed", "its limits", "adaptive to it", "best single fixed", $"vLLM's defaults ({BatchSetting.VllmDefaults})");
        BatchSetting single = ScenarioResult.BestSingle([.. results]);
        foreach (ScenarioResult r in results)
        {
            table.AddRow(
                r.Scenario, Number(r.Adaptive), Number(r.Best), r.BestFixed.First().ToString(), Number(r.Relative(BatchSetting.Adaptive)),
                Number(r.Goodput[single]), Number(r.Goodput[BatchSetting.VllmDefaults]));
        }

        double adaptive = ScenarioResult.Mean([.. results], BatchSetting.Adaptive);
        double best = ScenarioResult.Mean([.. results], single);
        table.AddRow(
            "all", Number(adaptive), "1.00", $"best single: {single}", $"{Number(adaptive / best)} (to the best single)", Number(best),
            Number(ScenarioResult.Mean([.. results], BatchSetting.VllmDefaults)));
        return table;
    }

    private static string Number(double value) => BenchOutput.Number(value, 2);
}

using Octavo.Cli.Terminal;
using Octavo.Lab.Workloads;
using Spectre.Console;

namespace Octavo.Cli.Simulate;

/// <summary>What loads came to, as a table.</summary>
internal static class LoadTable
{
    /// <summary>A table for <see cref="AddRow"/>.</summary>
    public static Table Make(string title) => new Table { Title = new TableTitle(Markup.Escape(title)) }.AddColumns(
        "what", "tokens/s", "requests/s that met the targets", "of all", "first token p50 / p95, ms", "between tokens p50 / p95 / p99, ms");

    /// <summary>Figures as a row.</summary>
    public static void AddRow(Table table, string name, LoadFigures f)
    {
        table.AddRow(
            name,
            Figures.Number(f.TokensPerSecond, 0),
            Figures.Number(f.Goodput, 2),
            Figures.Percent(f.GoodPart),
            $"{Milli(f.TimeToFirstToken.P50)} / {Milli(f.TimeToFirstToken.P95)}",
            $"{Milli(f.InterTokenLatency.P50)} / {Milli(f.InterTokenLatency.P95)} / {Milli(f.InterTokenLatency.P99)}");

        static string Milli(double seconds) => Figures.Number(seconds * 1000, seconds < 0.1 ? 1 : 0);
    }

    /// <summary>
    /// Rows of both figures, medians of all rounds, and the ratio of the two. Where there are more rounds, each round's
    /// before them; the ratio is then the median of the rounds' own, since a round's requests are the same in both and
    /// another round's are not, and a row below shows the least and the greatest.
    /// </summary>
    public static void AddRounds(Table table, IReadOnlyList<(LoadFigures Simulated, LoadFigures Measured)> rounds)
    {
        for (int i = 0; i < rounds.Count && rounds.Count > 1; i++)
        {
            AddRow(table, $"round {i + 1} simulated", rounds[i].Simulated);
            AddRow(table, $"round {i + 1} measured", rounds[i].Measured);
        }

        AddRow(table, "simulated", LoadFigures.Medians([.. rounds.Select(r => r.Simulated)]));
        AddRow(table, "measured", LoadFigures.Medians([.. rounds.Select(r => r.Measured)]));
        if (rounds.Count == 1)
        {
            AddRatios("simulated over measured", ratios => Show(ratios[0]));
            return;
        }

        AddRatios("simulated over measured, median of rounds", ratios => Show(LoadFigures.Median(ratios)));
        AddRatios("the least and the greatest", ratios => $"{Show(ratios.Min())}–{Show(ratios.Max())}");

        void AddRatios(string name, Func<double[], string> summary)
        {
            table.AddRow(
                name,
                Of(f => f.TokensPerSecond),
                Of(f => f.Goodput),
                string.Empty,
                $"{Of(f => f.TimeToFirstToken.P50)} / {Of(f => f.TimeToFirstToken.P95)}",
                $"{Of(f => f.InterTokenLatency.P50)} / {Of(f => f.InterTokenLatency.P95)} / {Of(f => f.InterTokenLatency.P99)}");

            string Of(Func<LoadFigures, double> figure) =>
                summary([.. rounds.Select(r => Ratio(figure(r.Simulated), figure(r.Measured)))]);
        }

        // Nothing in both is agreement.
        static double Ratio(double simulated, double measured) => simulated == measured ? 1 : simulated / measured;

        static string Show(double ratio) => double.IsInfinity(ratio) ? "∞" : Figures.Number(ratio, 2);
    }
}

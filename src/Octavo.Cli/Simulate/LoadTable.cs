using Octavo.Cli.Terminal;
using Octavo.Engine.Workloads;
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
}

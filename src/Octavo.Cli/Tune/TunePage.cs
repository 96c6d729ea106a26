using System.Globalization;
using System.Text;
using Octavo.Cli.Terminal;
using Octavo.Lab.Tuning;

namespace Octavo.Cli.Tune;

/// <summary>
/// The report of <c>octavo tune</c> as one HTML page that loads nothing: throughput over latency, and the tables.
/// </summary>
internal static class TunePage
{
    private const string Style =
        """
        table{font-size:.87rem}td,th{text-align:right;vertical-align:bottom}td{white-space:nowrap}
        td:first-child,th:first-child{text-align:left}th{font-weight:600;color:#5a6675}text.name{fill:#1c2430}
        .grid{stroke:#e6eaef}.axis{stroke:#9aa5b1}.target{stroke:#b4442d;stroke-dasharray:5 4}
        text.target{fill:#b4442d;stroke:none}
        .frontier{fill:none;stroke:#3b6ea5;stroke-width:1.5}.bar{stroke:#3b6ea5}.searched{fill:#9aa5b1}
        .final{fill:#3b6ea5}
        .adaptive{fill:#d08a1d}.best{fill:#2c8a4b}.bar.adaptive{stroke:#d08a1d}.bar.best{stroke:#2c8a4b}
        @media(prefers-color-scheme:dark){th{color:#9aa5b1}text.name{fill:#dfe6ee}.grid{stroke:#232c36}
        .searched{fill:#5a6675}
        .target{stroke:#e0745c}text.target{fill:#e0745c}}
        """;

    /// <summary>Makes the page.</summary>
    public static string Make(TuneReport report)
    {
        StringBuilder page = ReportPage.Begin("octavo tune: " + report.Model, Style);
        page.Append(CultureInfo.InvariantCulture, $"<p class=\"soft\">{ReportPage.Escape(report.Workload)}; targets: "
            + $"{ReportPage.Escape(report.TargetText)}</p>");
        foreach (string line in report.Verdict())
        {
            page.Append(CultureInfo.InvariantCulture, $"<p>{ReportPage.Escape(line)}</p>");
        }

        page.Append("<h2>Throughput and latency</h2>");
        page.Append("<div class=\"scroll\">").Append(FrontierChart.Make(report)).Append("</div>");
        page.Append("<p class=\"soft\">A point is a pair of limits, --max-num-seqs and --max-num-batched-tokens. Grey "
            + "ones were dropped in the search and ran once; bars are 95% confidence. "
            + "No fixed limits found lie above the line. The best is the one with the most requests a second within "
                + "the targets, not the one with the most tokens.</p>");
        Table(page, report, "Finals", report.Result.Final);
        if (report.Result.Confirmation is { } confirmation)
        {
            Table(page, report, "Confirmation", [confirmation.Best, confirmation.Next]);
        }

        Table(page, report, "Dropped in the search", Measured.Rank(report.Result.Search));
        return ReportPage.End(page);
    }

    private static void Table(StringBuilder page, TuneReport report, string title, IReadOnlyList<Measured> rows)
    {
        if (rows.Count == 0)
        {
            return;
        }

        page.Append(
            CultureInfo.InvariantCulture, $"<h2>{ReportPage.Escape(title)}</h2><div class=\"scroll\"><table><tr>");
        page.AppendJoin(string.Empty, TuneReport.Columns.Select(c => $"<th>{ReportPage.Escape(c)}</th>"))
            .Append("</tr>");
        foreach (Measured row in rows)
        {
            page.Append("<tr>").AppendJoin(
                string.Empty, report.Row(row).Select(c => $"<td>{ReportPage.Escape(c)}</td>")).Append("</tr>");
        }

        page.Append("</table></div>");
    }

}

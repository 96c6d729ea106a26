using System.Globalization;
using System.Net;
using System.Text;

namespace Octavo.Cli.Tuning;

/// <summary>The report of <c>octavo tune</c> as one HTML page that loads nothing: throughput over latency, and the tables.</summary>
internal static class TunePage
{
    private const string Style =
        """
        body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
        h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.05rem;margin:2rem 0 .3rem}p{margin:.3rem 0}.soft{color:#5a6675}
        .scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.87rem}
        td,th{padding:.25rem .5rem;border-bottom:1px solid #d8dee6;text-align:right;vertical-align:bottom}td{white-space:nowrap}
        td:first-child,th:first-child{text-align:left}th{font-weight:600;color:#5a6675}
        svg{width:100%;height:auto}text{font:12px system-ui,sans-serif;fill:#5a6675}text.name{fill:#1c2430}
        .grid{stroke:#e6eaef}.axis{stroke:#9aa5b1}.target{stroke:#b4442d;stroke-dasharray:5 4}text.target{fill:#b4442d;stroke:none}
        .frontier{fill:none;stroke:#3b6ea5;stroke-width:1.5}.bar{stroke:#3b6ea5}.searched{fill:#9aa5b1}.final{fill:#3b6ea5}
        .adaptive{fill:#d08a1d}.best{fill:#2c8a4b}.bar.adaptive{stroke:#d08a1d}.bar.best{stroke:#2c8a4b}
        @media(prefers-color-scheme:dark){body{color:#dfe6ee;background:#12171d}td,th{border-color:#2a333d}th,.soft{color:#9aa5b1}text{fill:#9aa5b1}
        text.name{fill:#dfe6ee}.grid{stroke:#232c36}.searched{fill:#5a6675}.target{stroke:#e0745c}text.target{fill:#e0745c}}
        """;

    /// <summary>Makes the page.</summary>
    public static string Make(TuneReport report)
    {
        var page = new StringBuilder();
        string title = "octavo tune: " + report.Model;
        page.Append(CultureInfo.InvariantCulture, $"<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{Escape(title)}</title><style>{Style}</style></head><body>");
        page.Append(CultureInfo.InvariantCulture, $"<h1>{Escape(title)}</h1><p class=\"soft\">{Escape(report.Workload)}; targets: {Escape(report.TargetText)}</p>");
        foreach (string line in report.Verdict())
        {
            page.Append(CultureInfo.InvariantCulture, $"<p>{Escape(line)}</p>");
        }

        page.Append("<h2>Throughput and latency</h2>");
        page.Append(FrontierChart.Make(report));
        page.Append("<p class=\"soft\">A point is a pair of limits, --max-num-seqs and --max-num-batched-tokens. Grey ones were dropped in the search and ran once; bars are 95 % confidence. "
            + "No fixed limits found lie above the line. The best is the one with the most requests a second within the targets, not the one with the most tokens.</p>");
        Table(page, report, "Finals", report.Result.Final);
        if (report.Result.Confirmation is { } confirmation)
        {
            Table(page, report, "Confirmation", [confirmation.Best, confirmation.Next]);
        }

        Table(page, report, "Dropped in the search", Measured.Rank(report.Result.Search));
        return page.Append("</body></html>").ToString();
    }

    private static void Table(StringBuilder page, TuneReport report, string title, IReadOnlyList<Measured> rows)
    {
        if (rows.Count == 0)
        {
            return;
        }

        page.Append(CultureInfo.InvariantCulture, $"<h2>{Escape(title)}</h2><div class=\"scroll\"><table><tr>");
        page.AppendJoin(string.Empty, TuneReport.Columns.Select(c => $"<th>{Escape(c)}</th>")).Append("</tr>");
        foreach (Measured row in rows)
        {
            page.Append("<tr>").AppendJoin(string.Empty, report.Row(row).Select(c => $"<td>{Escape(c)}</td>")).Append("</tr>");
        }

        page.Append("</table></div>");
    }

    private static string Escape(string text) => WebUtility.HtmlEncode(text);
}

using System.Globalization;
using System.Text;
using Octavo.Cli.Terminal;
using Octavo.Quantization.Evaluation;

namespace Octavo.Cli.Eval;

/// <summary>The report of <c>octavo eval</c> as one HTML page that loads nothing: charts are SVG inside it.</summary>
internal static class EvalPage
{
    private const int Width = 640;
    private const int Height = 220;
    private const int Left = 64;
    private const int Bottom = 28;

    private const string Style =
        """
        td:first-child{color:#5a6675}td+td{overflow-wrap:anywhere}
        rect.bar{fill:#3b6ea5}polyline{fill:none;stroke:#3b6ea5;stroke-width:2}line{stroke:#9aa5b1}
        @media(prefers-color-scheme:dark){td:first-child{color:#9aa5b1}}
        """;

    /// <summary>Makes the page.</summary>
    public static string Make(EvalReport report)
    {
        StringBuilder page = ReportPage.Begin(report.Result.Model, Style).Append("<table>");
        foreach ((string name, string value) in report.Rows())
        {
            page.Append(
                CultureInfo.InvariantCulture,
                $"<tr><td>{ReportPage.Escape(name.Trim())}</td><td>{ReportPage.Escape(value)}</td></tr>");
        }

        page.Append("</table>");
        if (report.Result.Comparison is { } comparison)
        {
            Chart(
                page,
                "KL divergence by token: the fraction of tokens below (nats, logarithmic)",
                Distribution(comparison));
            if (comparison.LayerErrors.Count > 0)
            {
                Chart(
                    page,
                    "Relative error of the residual stream behind each layer",
                    Bars(comparison.LayerErrors, Figures.ExactPercent));
            }
        }

        Chart(page, "Perplexity by document", Bars(report.Result.PerplexityByDocument, v => Figures.Exact(v, 1)));
        return ReportPage.End(page);
    }

    private static void Chart(StringBuilder page, string title, string body) => page.Append(
        CultureInfo.InvariantCulture,
        $"<h2>{ReportPage.Escape(title)}</h2><div class=\"scroll\"><svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" "
            + $"aria-label=\"{ReportPage.Escape(title)}\"><line x1=\"{Left}\" y1=\"{Height - Bottom}\" x2=\"{Width}\" "
            + $"y2=\"{Height - Bottom}\"/><line x1=\"{Left}\" y1=\"0\" x2=\"{Left}\" "
            + $"y2=\"{Height - Bottom}\"/>{body}</svg></div>");

    private static string Bars(IReadOnlyList<double> values, Func<double, string> label)
    {
        var svg = new StringBuilder();
        double highest = Math.Max(values.Max(), double.Epsilon);
        double step = (double)(Width - Left) / values.Count;
        for (int i = 0; i < values.Count; i++)
        {
            double height = values[i] / highest * (Height - Bottom - 10);
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<rect class=\"bar\" x=\"{Left + (i * step) + (step * 0.1):F1}\" "
                    + $"y=\"{Height - Bottom - height:F1}\" width=\"{step * 0.8:F1}\" "
                    + $"height=\"{height:F1}\"><title>{i}: {label(values[i])}</title></rect>");
        }

        Number(svg, Left - 6, 14, "end", label(highest));
        Number(svg, Left - 6, Height - Bottom, "end", "0");
        Number(svg, Left, Height - 8, "start", "0");
        Number(svg, Width, Height - 8, "end", (values.Count - 1).ToString(CultureInfo.InvariantCulture));
        return svg.ToString();
    }

    private static string Distribution(ComparisonResult comparison)
    {
        const int Points = 200;
        const double Least = 1e-9;
        double low = Math.Log10(Math.Max(comparison.KlQuantile(0.01), Least));
        double high = Math.Max(Math.Log10(Math.Max(comparison.Kl[^1], Least)), low + 1);
        var svg = new StringBuilder("<polyline points=\"");
        for (int i = 0; i <= Points; i++)
        {
            double fraction = (double)i / Points;
            double x = (Math.Log10(Math.Max(comparison.KlQuantile(fraction), Least)) - low) / (high - low);
            svg.Append(
                CultureInfo.InvariantCulture,
                $"{Left + (Math.Clamp(x, 0, 1) * (Width - Left)):F1},{(1 - fraction) * (Height - Bottom - 6) + 6:F1} ");
        }

        svg.Append("\"/>");
        Number(svg, Left - 6, 14, "end", "100%");
        Number(svg, Left - 6, Height - Bottom, "end", "0%");
        Number(svg, Left, Height - 8, "start", Math.Pow(10, low).ToString("0.##E+0", CultureInfo.InvariantCulture));
        Number(svg, Width, Height - 8, "end", Math.Pow(10, high).ToString("0.##E+0", CultureInfo.InvariantCulture));
        return svg.ToString();
    }

    private static void Number(StringBuilder svg, int x, int y, string anchor, string text) =>
        svg.Append(
            CultureInfo.InvariantCulture,
            $"<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{ReportPage.Escape(text)}</text>");
}

using System.Globalization;
using System.Net;
using System.Text;
using Octavo.Lab.Scenarios;
using Octavo.Lab.Workloads;

namespace Octavo.Cli.Simulate;

/// <summary>
/// Scenarios as bars, in one SVG file: each setting's goodput over that of the scenario's best fixed setting.
/// </summary>
internal static class ScenarioChart
{
    private const int Left = 60;
    private const int Height = 200;
    private const int BarWidth = 36;
    private const int GroupWidth = 130;
    private const double Most = 3.0;       // the axis ends here; taller bars are cut, with their number above

    private static readonly string[] Colours = ["#1f6feb", "#57606a", "#c9a227"];

    /// <summary>Draws it.</summary>
    /// <param name="parts">What each panel shows, and its scenarios.</param>
    public static string Draw(IReadOnlyList<(string Title, IReadOnlyList<ScenarioResult> Results)> parts)
    {
        const int PanelHeight = Height + 90;
        int width = Left + (parts.Max(p => p.Results.Count) * GroupWidth) + 20;
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} "
            + $"{parts.Count * PanelHeight}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n");
        svg.Append("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
        for (int i = 0; i < parts.Count; i++)
        {
            svg.Append(CultureInfo.InvariantCulture, $"<g transform=\"translate(0 {i * PanelHeight})\">\n");
            Panel(svg, parts[i].Title, parts[i].Results, width);
            svg.Append("</g>\n");
        }

        return svg.Append("</svg>\n").ToString();
    }

    private static void Panel(StringBuilder svg, string title, IReadOnlyList<ScenarioResult> results, int width)
    {
        const int Top = 50;
        BatchSetting single = ScenarioResult.BestSingle(results);
        (
            string Name,
            BatchSetting Setting)[] series = [("adaptive", BatchSetting.Adaptive),
            ($"best single fixed ({single})", single),
            ($"vLLM's defaults ({BatchSetting.VllmDefaults})", BatchSetting.VllmDefaults)];
        Text(svg, Left, 18, title + "; over the best fixed setting of each scenario", "start", bold: true);
        int x = Left;
        for (int s = 0; s < series.Length; s++)
        {
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<rect x=\"{x}\" y=\"26\" width=\"10\" height=\"10\" fill=\"{Colours[s]}\"/>\n");
            Text(svg, x + 14, 35, series[s].Name, "start");
            x += 50 + (series[s].Name.Length * 6);
        }

        for (double at = 0; at <= Most; at += 0.5)
        {
            double y = Y(at);
            svg.Append(CultureInfo.InvariantCulture, $"<line x1=\"{Left}\" y1=\"{y:F1}\" x2=\"{width - 10}\" "
                + $"y2=\"{y:F1}\" stroke=\"{(at == 1 ? "#000" : "#d0d7de")}\"/>\n");
            Text(svg, Left - 6, y + 4, at.ToString("F1", CultureInfo.InvariantCulture), "end");
        }

        for (int g = 0; g < results.Count; g++)
        {
            double start = Left + (g * GroupWidth) + ((GroupWidth - (series.Length * BarWidth)) / 2.0);
            for (int s = 0; s < series.Length; s++)
            {
                double value = results[g].Relative(series[s].Setting);
                double y = Y(Math.Min(value, Most));
                svg.Append(CultureInfo.InvariantCulture, $"<rect x=\"{start + (s * BarWidth):F1}\" y=\"{y:F1}\" "
                    + $"width=\"{BarWidth - 3}\" height=\"{Y(0) - y:F1}\" fill=\"{Colours[s]}\"/>\n");
                Text(
                    svg,
                    start + (s * BarWidth) + ((BarWidth - 3) / 2.0),
                    y - 3,
                    value.ToString("F2", CultureInfo.InvariantCulture),
                    "middle");
            }

            Text(svg, Left + ((g + 0.5) * GroupWidth), Y(0) + 16, results[g].Scenario, "middle");
        }

        static double Y(double value) => Top + (Height * (1 - (value / Most)));
    }

    private static void Text(
        StringBuilder svg, double x, double y, string text, string anchor, bool bold = false) => svg.Append(
        CultureInfo.InvariantCulture,
        $"<text x=\"{x:F1}\" y=\"{y:F1}\" "
            + $"text-anchor=\"{anchor}\"{(bold ? " font-weight=\"bold\"" : string.Empty)}>"
            + $"{WebUtility.HtmlEncode(text)}</text>\n");
}

using System.Globalization;
using System.Net;
using System.Text;
using Octavo.Lab.Tuning;

namespace Octavo.Cli.Tune;

/// <summary>
/// Tokens a second over the 95th percentile of the time between tokens, as SVG. Time is on a logarithmic axis.
/// </summary>
internal static class FrontierChart
{
    private const double Width = 860;
    private const double Height = 420;
    private const double Left = 70;
    private const double Right = 20;
    private const double Top = 16;
    private const double Bottom = 48;
    private const double LineHeight = 14;
    private const double LabelWidth = 170;
    private const double LabelGap = 14;

    /// <summary>Draws it.</summary>
    public static string Make(TuneReport report)
    {
        Measured[] all = [.. report.Result.Search, .. report.Result.Final];
        double target = report.Targets.InterToken.TotalSeconds;
        var chart = new Axes(all, target);
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" "
            + $"aria-label=\"Tokens a second over time between tokens\">");
        Frame(svg, chart);
        if (target >= chart.Least && target <= chart.Most)
        {
            double x = chart.X(target);
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<line class=\"target\" x1=\"{x:F1}\" y1=\"{Top}\" x2=\"{x:F1}\" y2=\"{Height - Bottom}\"/>");
            Text(svg, x - 6, Top + 10, "end", "target", "target");
        }

        Measured[] frontier = [.. Frontier(all.Where(m => m.Setting.Batching == BatchingMode.Fixed))];
        svg.Append("<polyline class=\"frontier\" points=\"")
            .AppendJoin(
                ' ',
                frontier.Select(m => string.Create(
                    CultureInfo.InvariantCulture,
                    $"{chart.X(m.InterTokenP95.Mean):F1},{chart.Y(m.TokensPerSecond.Mean):F1}")))
            .Append("\"/>");
        foreach (Measured m in report.Result.Search)
        {
            Point(svg, chart, report, m, "searched", 3);
        }

        foreach (Measured m in report.Result.Final)
        {
            string kind = m.Setting.Batching == BatchingMode.Adaptive ? "adaptive"
                : m.Setting == report.Result.Best ? "best"
                : "final";
            Bars(svg, chart, m, kind);
            Point(svg, chart, report, m, kind, 5);
        }

        Labels(svg, chart, report);
        return svg.Append("</svg>").ToString();
    }

    /// <summary>Those that no other one beats in both, from the shortest times on.</summary>
    public static IEnumerable<Measured> Frontier(IEnumerable<Measured> all)
    {
        double most = 0;
        foreach (Measured m in all.OrderBy(m => m.InterTokenP95.Mean).ThenByDescending(m => m.TokensPerSecond.Mean))
        {
            if (m.TokensPerSecond.Mean > most)
            {
                most = m.TokensPerSecond.Mean;
                yield return m;
            }
        }
    }

    private static void Frame(StringBuilder svg, Axes chart)
    {
        foreach (double tick in chart.TicksX())
        {
            double x = chart.X(tick);
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<line class=\"grid\" x1=\"{x:F1}\" y1=\"{Top}\" x2=\"{x:F1}\" y2=\"{Height - Bottom}\"/>");
            Text(svg, x, Height - Bottom + 16, "middle", (tick * 1000).ToString("G4", CultureInfo.InvariantCulture));
        }

        foreach (double tick in chart.TicksY())
        {
            double y = chart.Y(tick);
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<line class=\"grid\" x1=\"{Left}\" y1=\"{y:F1}\" x2=\"{Width - Right}\" y2=\"{y:F1}\"/>");
            Text(svg, Left - 6, y + 4, "end", tick.ToString("N0", CultureInfo.InvariantCulture));
        }

        svg.Append(CultureInfo.InvariantCulture, $"<line class=\"axis\" x1=\"{Left}\" y1=\"{Height - Bottom}\" "
            + $"x2=\"{Width - Right}\" y2=\"{Height - Bottom}\"/><line class=\"axis\" x1=\"{Left}\" y1=\"{Top}\" "
            + $"x2=\"{Left}\" y2=\"{Height - Bottom}\"/>");
        Text(
            svg,
            (Left + Width - Right) / 2,
            Height - 8,
            "middle",
            "time between tokens, 95th percentile, ms (logarithmic)");
        svg.Append(CultureInfo.InvariantCulture, $"<text transform=\"translate(14 {(Top + Height - Bottom) / 2}) "
            + $"rotate(-90)\" text-anchor=\"middle\">tokens a second</text>");
    }

    private static void Point(
        StringBuilder svg, Axes chart, TuneReport report, Measured m, string kind, int radius) => svg.Append(
        CultureInfo.InvariantCulture,
        $"<circle class=\"{kind}\" cx=\"{chart.X(m.InterTokenP95.Mean):F1}\" "
            + $"cy=\"{chart.Y(m.TokensPerSecond.Mean):F1}\" "
            + $"r=\"{radius}\"><title>{WebUtility.HtmlEncode($"{report.NameOf(m.Setting)}: "
                + $"{TuneReport.Show(m.TokensPerSecond, 1)} tokens/s, {TuneReport.Show(m.InterTokenP95, 1000)} ms, "
                + $"{TuneReport.Show(m.Goodput, 1)} requests/s within the targets")}</title></circle>");

    private static void Bars(StringBuilder svg, Axes chart, Measured m, string kind)
    {
        (double x, double y) = (chart.X(m.InterTokenP95.Mean), chart.Y(m.TokensPerSecond.Mean));
        (Interval across, Interval up) = (m.InterTokenP95, m.TokensPerSecond);
        svg.Append(CultureInfo.InvariantCulture, $"<line class=\"bar {kind}\" "
            + $"x1=\"{chart.X(across.Mean - across.HalfWidth):F1}\" y1=\"{y:F1}\" "
            + $"x2=\"{chart.X(across.Mean + across.HalfWidth):F1}\" y2=\"{y:F1}\"/>");
        svg.Append(
            CultureInfo.InvariantCulture,
            $"<line class=\"bar {kind}\" x1=\"{x:F1}\" y1=\"{chart.Y(up.Mean - up.HalfWidth):F1}\" x2=\"{x:F1}\" "
                + $"y2=\"{chart.Y(up.Mean + up.HalfWidth):F1}\"/>");
    }

    // Points of alike settings lie on each other; then their names stand below each other.
    private static void Labels(StringBuilder svg, Axes chart, TuneReport report)
    {
        List<(double X, double Y)> taken = [];
        foreach (Measured m in report.Result.Final.OrderBy(m => chart.Y(m.TokensPerSecond.Mean)))
        {
            double x = chart.X(m.InterTokenP95.Mean);
            double y = chart.Y(m.TokensPerSecond.Mean) + 4;
            bool leftwards = x > Width * 0.7;
            while (taken.Exists(t => Math.Abs(t.X - x) < LabelWidth && Math.Abs(t.Y - y) < LineHeight))
            {
                y += LineHeight;
            }

            taken.Add((x, y));
            Text(
                svg,
                leftwards ? x - LabelGap : x + LabelGap,
                y,
                leftwards ? "end" : "start",
                report.NameOf(m.Setting),
                "name");
        }
    }

    private static void Text(
        StringBuilder svg, double x, double y, string anchor, string text, string kind = "tick") => svg.Append(
        CultureInfo.InvariantCulture,
        $"<text class=\"{kind}\" x=\"{x:F1}\" y=\"{y:F1}\" "
            + $"text-anchor=\"{anchor}\">{WebUtility.HtmlEncode(text)}</text>");

    /// <summary>Where values lie on the page.</summary>
    private sealed class Axes
    {
        private const double LeastTime = 1e-5;
        private readonly double _highest;

        public Axes(IReadOnlyList<Measured> all, double target)
        {
            double longest = Math.Max(LeastTime, all.Max(m => m.InterTokenP95.Mean));
            Least = Math.Max(LeastTime, all.Min(m => m.InterTokenP95.Mean)) / 1.3;
            Most = longest * 1.3;

            // A target far off would press all points together; nearby, it belongs into the picture.
            Most = target > Most && target < 5 * Most ? target * 1.1 : Most;
            Least = target < Least && target > Least / 5 ? target / 1.1 : Least;
            _highest = Math.Max(1e-9, all.Max(m => m.TokensPerSecond.Mean)) * 1.08;
        }

        public double Least { get; }

        public double Most { get; }

        public double X(double seconds) =>
            Left + (Math.Clamp(
                Math.Log(Math.Max(seconds, 1e-9) / Least) / Math.Log(Most / Least), 0, 1) * (Width - Left - Right));

        public double Y(double tokens) =>
            Height - Bottom - (Math.Clamp(tokens / _highest, 0, 1) * (Height - Bottom - Top));

        public IEnumerable<double> TicksX()
        {
            for (double decade = Math.Pow(10, Math.Floor(Math.Log10(Least))); decade <= Most; decade *= 10)
            {
                foreach (double tick in new[] { decade, 2 * decade, 5 * decade }.Where(t => t >= Least && t <= Most))
                {
                    yield return tick;
                }
            }
        }

        public IEnumerable<double> TicksY()
        {
            double rough = _highest / 5;
            double decade = Math.Pow(10, Math.Floor(Math.Log10(rough)));
            double step = new[] { 1, 2, 5, 10 }.Select(f => f * decade).First(s => s >= rough * 0.999);
            for (double tick = 0; tick <= _highest; tick += step)
            {
                yield return tick;
            }
        }
    }
}

using System.Globalization;
using System.Text.Json;
using Octavo.Cli.Terminal;
using Octavo.Lab;
using Octavo.Lab.Tuning;
using Octavo.Lab.Workloads;
using Spectre.Console;

namespace Octavo.Cli.Tune;

/// <summary>What <c>octavo tune</c> found, as a table, a verdict and JSON.</summary>
/// <param name="Model">Its name.</param>
/// <param name="Workload">The load, in words.</param>
/// <param name="Targets">What goodput is counted by.</param>
/// <param name="Result">What was found.</param>
internal sealed record TuneReport(string Model, string Workload, BatchingTargets Targets, TuneResult Result)
{
    /// <summary>What runs are called in the table and the page: best, vLLM's defaults, adaptive.</summary>
    public string NameOf(BatchSetting setting)
    {
        string[] notes = [.. new[] { setting == Result.Best
            ? "best fixed"
            : null, setting == BatchSetting.VllmDefaults ? "vLLM's defaults" : null }.OfType<string>()];
        return notes.Length == 0 ? $"{setting}" : $"{setting} ({string.Join(", ", notes)})";
    }

    /// <summary>The targets in words.</summary>
    public string TargetText
    {
        get
        {
            string first = Targets.FirstToken is { } target
                ? string.Create(CultureInfo.InvariantCulture, $", {target.TotalMilliseconds:G4} ms to the first")
                : string.Empty;
            return string.Create(CultureInfo.InvariantCulture, $"{Targets.InterToken.TotalMilliseconds:G4} ms between "
                + $"tokens for {Targets.Percentile * 100:G4}% of them") + first;
        }
    }

    /// <summary>The columns of a table of settings.</summary>
    public static IReadOnlyList<string> Columns { get; } =
        [
            "requests, tokens", "requests/s within the targets", "of all", "tokens/s", "first token p95, ms",
            "between tokens p50, ms", "p95, ms"
        ];

    /// <summary>A setting's row.</summary>
    public IReadOnlyList<string> Row(Measured m) =>
    [
        NameOf(m.Setting), Show(m.Goodput, 1), Figures.Percent(m.GoodPart), Show(m.TokensPerSecond, 1),
        Show(m.FirstTokenP95, 1000), Show(m.InterTokenP50, 1000), Show(m.InterTokenP95, 1000),
    ];

    /// <summary>Writes table and verdict.</summary>
    public void WriteTable(IAnsiConsole console)
    {
        int requests = Result.Final[0].Runs[0].Completed + Result.Final[0].Runs[0].Failed;
        Table table = new Table
        {
            Title = new TableTitle(Markup.Escape($"{Model}: {requests} requests a run, {TunePlan.Rounds} runs in "
                + "turn, mean ± 95% confidence")),
            Caption = new TableTitle(
                Markup.Escape("requests, tokens: --max-num-seqs, --max-num-batched-tokens; targets: " + TargetText)),
        }.AddColumns([.. Columns]);
        foreach (Measured m in Result.Final)
        {
            table.AddRow([.. Row(m).Select(Markup.Escape)]);
        }

        console.Write(table);
        foreach (string line in Verdict())
        {
            Stdio.Out.WriteLine(line);
        }
    }

    /// <summary>What follows, in sentences.</summary>
    public IEnumerable<string> Verdict()
    {
        Measured best = Result.BestFixed;
        yield return $"best fixed limits: --max-num-seqs {best.Setting.MaxNumSeqs} --max-num-batched-tokens "
            + $"{best.Setting.MaxNumBatchedTokens}";
        if (best.Goodput.Mean <= 0)
        {
            yield return "no request met the targets under any setting: these limits give the most tokens a second";
        }

        if (Result.Confirmation is { } c)
        {
            string lead = string.Create(
                CultureInfo.InvariantCulture, $"{c.Lead.Mean * 100:+0.0;-0.0;0.0} ± {c.Lead.HalfWidth * 100:0.0}%");
            yield return (c.Holds, c.IsBetter) switch
            {
                (true, true) => $"confirmed: run again beside {c.Next.Setting}, {lead}",
                (true, false) => $"confirmed within noise: run again beside {c.Next.Setting}, {lead}",
                _ => $"not confirmed: {c.Best.Setting} was best at first, and run again beside {c.Next.Setting}, "
                    + $"{lead}; the latter takes its place",
            };
            Measured again = c.Holds ? c.Best : c.Next;
            yield return $"the best, run again: {Show(again.Goodput, 1)} requests/s within the targets; before: "
                + $"{Show(best.Goodput, 1)}";
        }

        double ratio = best.Goodput.Mean > 0
            ? Result.Adaptive.Goodput.Mean / best.Goodput.Mean
            : Result.Adaptive.TokensPerSecond.Mean / best.TokensPerSecond.Mean;
        string what = best.Goodput.Mean > 0 ? "requests/s" : "tokens/s";
        yield return string.Create(
            CultureInfo.InvariantCulture,
            $"adaptive batching, serve's default, gets {ratio * 100:0}% of the best fixed limits' {what}");
    }

    /// <summary>The same as JSON.</summary>
    public string ToJson() => JsonText.Of(json =>
    {
        json.WriteString("model", Model);
        json.WriteString("workload", Workload);
        json.WriteNumber("target_itl_ms", Targets.InterToken.TotalMilliseconds);
        if (Targets.FirstToken is { } first)
        {
            json.WriteNumber("target_ttft_ms", first.TotalMilliseconds);
        }

        json.WriteNumber("target_percentile", Targets.Percentile * 100);
        json.WriteStartObject("best");
        FiguresJson.Write(json, Result.Best);
        json.WriteEndObject();
        if (Result.Confirmation is { } c)
        {
            json.WriteStartObject("confirmation");
            json.WriteBoolean("holds", c.Holds);
            json.WriteBoolean("better_beyond_noise", c.IsBetter);
            Write(json, "lead", c.Lead);
            Write(json, "best", c.Best);
            Write(json, "next", c.Next);
            json.WriteEndObject();
        }

        Write(json, "final", Result.Final);
        Write(json, "search", Result.Search);
    });

    /// <summary>A figure with its interval, as far as it is known: <c>12.3 ± 0.4</c>.</summary>
    public static string Show(Interval interval, double scale)
    {
        double mean = interval.Mean * scale;
        int decimals = mean switch { >= 1000 => 0, >= 100 => 1, >= 1 => 2, _ => 3 };
        return Figures.Number(
            mean,
            decimals) + (double.IsNaN(interval.HalfWidth)
                ? string.Empty
                : " ± " + Figures.Number(interval.HalfWidth * scale, decimals));
    }

    private static void Write(Utf8JsonWriter json, string name, IReadOnlyList<Measured> all)
    {
        json.WriteStartArray(name);
        foreach (Measured m in all)
        {
            Write(json, null, m);
        }

        json.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter json, string? name, Measured m)
    {
        if (name is null)
        {
            json.WriteStartObject();
        }
        else
        {
            json.WriteStartObject(name);
        }

        FiguresJson.Write(json, m.Setting);
        json.WriteNumber("runs", m.Runs.Count);
        json.WriteNumber("good_part", m.GoodPart);
        Write(json, "goodput", m.Goodput);
        Write(json, "tokens_per_second", m.TokensPerSecond);
        Write(json, "ttft_p95_seconds", m.FirstTokenP95);
        Write(json, "itl_p50_seconds", m.InterTokenP50);
        Write(json, "itl_p95_seconds", m.InterTokenP95);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, Interval interval)
    {
        json.WriteStartObject(name);
        json.WriteNumber("mean", interval.Mean);
        if (!double.IsNaN(interval.HalfWidth))
        {
            json.WriteNumber("half_width_95", interval.HalfWidth);
        }

        json.WriteEndObject();
    }
}

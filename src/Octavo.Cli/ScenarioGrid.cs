using System.Globalization;
using Octavo.Engine.Simulation;
using Octavo.Engine.Workloads;
using Spectre.Console;

namespace Octavo.Cli;

/// <summary>Six loads, each with adaptive batching and with every fixed setting of a grid, in the simulator.</summary>
internal static class ScenarioGrid
{
    private const int Requests = 800;      // a minute or more of load: a queue has time to grow
    private static readonly int[] Seqs = [4, 8, 16, 32, 64, 128];
    private static readonly int[] Tokens = [64, 128, 256, 512, 1024, 2048];

    /// <summary>Simulates and prints the table.</summary>
    public static void Write(IAnsiConsole console, SimulationOptions options, int maxLength)
    {
        BatchingTargets targets = options.Targets.FirstToken is null ? options.Targets with { FirstToken = TimeSpan.FromSeconds(2) } : options.Targets;
        options = options with { Targets = targets };
        double rate = SustainableRate(options, maxLength);
        (string Name, Workload Load)[] scenarios = Scenarios(rate, maxLength);
        var totals = new Dictionary<(int, int), double>();
        double adaptiveTotal = 0;
        Table table = new Table
        {
            Title = new TableTitle(string.Create(CultureInfo.InvariantCulture, $"simulated: requests a second that met {targets.InterToken.TotalMilliseconds} ms between tokens (p95) and {targets.FirstToken!.Value.TotalSeconds} s to the first")),
        }.AddColumns("scenario", "adaptive", "best fixed", "its limits", "adaptive to it", "vLLM's defaults (128, 2048)");
        foreach ((string name, Workload load) in scenarios)
        {
            BenchOutput.Progress("scenario " + name);
            IReadOnlyList<WorkloadRequest> requests = load.Make();
            double adaptive = Goodput(requests, options with { Batching = BatchingMode.Adaptive, MaxNumSeqs = 128, MaxNumBatchedTokens = 2048 });
            var grid = Seqs.SelectMany(s => Tokens.Where(t => t >= s).Select(t => (s, t))).AsParallel()
                .Select(c => (Setting: c, Goodput: Goodput(requests, options with { Batching = BatchingMode.Fixed, MaxNumSeqs = c.s, MaxNumBatchedTokens = c.t }))).ToList();
            foreach (((int, int) setting, double goodput) in grid)
            {
                totals[setting] = totals.GetValueOrDefault(setting) + (goodput / Math.Max(1e-9, grid.Max(g => g.Goodput)));
            }

            ((int s, int t), double best) = grid.MaxBy(g => g.Goodput);
            adaptiveTotal += adaptive / Math.Max(1e-9, best);
            table.AddRow(name, Number(adaptive), Number(best), $"{s}, {t}", Number(adaptive / Math.Max(1e-9, best)), Number(grid.First(g => g.Setting == (128, 2048)).Goodput));
        }

        BenchOutput.Progress(string.Empty);
        KeyValuePair<(int Seqs, int Tokens), double> single = totals.MaxBy(t => t.Value);
        table.AddRow("all, each over its best fixed", Number(adaptiveTotal / 6), Number(single.Value / 6), $"{single.Key.Seqs}, {single.Key.Tokens}", Number(adaptiveTotal / single.Value), Number(totals[(128, 2048)] / 6));
        console.Write(table);
    }

    private static (string, Workload)[] Scenarios(double rate, int maxLength)
    {
        var usual = new Workload
        {
            Requests = Requests,
            MaxLength = maxLength,
            Seed = 7,
            Prompt = new LogNormalLength(161, 1, maxLength / 2),
            Output = new LogNormalLength(120, 0.8, maxLength / 4),
        };
        return
        [
            ("light", usual with { Rate = 0.2 * rate }),
            ("moderate", usual with { Rate = 0.6 * rate }),
            ("saturating", usual with { Rate = 1.5 * rate }),
            ("burst of 10 times", usual with { Arrivals = ArrivalProcess.OnOff, Rate = 0.2 * rate, PeakRate = 2 * rate, Period = 60 / rate }),
            ("ramp", usual with { Arrivals = ArrivalProcess.Ramp, Rate = 0.1 * rate, PeakRate = 1.5 * rate }),
            ("mixed long prompts", usual with { Rate = 0.5 * rate, LongPart = 0.1, LongPrompt = new UniformLength(maxLength / 2, maxLength / 2) }),
        ];
    }

    // What vLLM's defaults get through when all requests are there at once.
    private static double SustainableRate(SimulationOptions options, int maxLength)
    {
        Workload all = Scenarios(1, maxLength)[0].Item2 with { Arrivals = ArrivalProcess.Saturating };
        IReadOnlyList<RequestRecord> records = Simulator.Run(all.Make(), options with { Batching = BatchingMode.Fixed, MaxNumSeqs = 128, MaxNumBatchedTokens = 2048 });
        return Requests / records.Max(r => r.End);
    }

    private static double Goodput(IReadOnlyList<WorkloadRequest> requests, SimulationOptions options) =>
        LoadFigures.Of(Simulator.Run(requests, options), options.Targets).Goodput;

    private static string Number(double value) => BenchOutput.Number(value, 2);
}

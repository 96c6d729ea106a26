using Octavo.Cli.Scenarios;
using Octavo.Cli.Terminal;
using Octavo.Engine.Simulation;
using Octavo.Engine.Workloads;
using Spectre.Console;

namespace Octavo.Cli.Simulate;

/// <summary>
/// A load simulated and run on the model, in turn. A machine that others use is not as fast in one minute as in the next, so
/// steps are measured before each run and behind it, and the simulation has their mean.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="workload">The load; each round draws other requests of it, unless it is a trace.</param>
/// <param name="options">What is simulated.</param>
internal sealed class SimulationCheck(LoadedModel model, Workload workload, SimulationOptions options)
{
    /// <summary>Both figures of each round.</summary>
    /// <param name="rounds">How often the load is run.</param>
    /// <param name="calibrate">True where step times were just measured, and are to be measured again behind each run; false where they are given.</param>
    public IReadOnlyList<(LoadFigures Simulated, LoadFigures Measured)> Run(int rounds, bool calibrate)
    {
        var setting = new BatchSetting(options.Batching, options.MaxNumSeqs, options.MaxNumBatchedTokens);
        List<(LoadFigures Simulated, LoadFigures Measured)> found = [];
        StepTimes before = options.StepTimes;
        for (int round = 0; round < rounds; round++)
        {
            IReadOnlyList<WorkloadRequest> requests = (workload with { Seed = workload.Seed + round }).Make();
            ProgressLine.Show($"round {round + 1} of {rounds}: running the load");
            LoadFigures measured = Calibration.Measure(model, setting, options.Targets, requests);
            StepTimes behind = calibrate ? Calibration.Run(model, $"round {round + 1} of {rounds}: measuring steps") : before;
            SimulationOptions between = options with { StepTimes = StepTimes.Mean(before, behind), Seed = options.Seed + round };
            found.Add((LoadFigures.Of(Simulator.Run(requests, between), options.Targets), measured));
            before = behind;
        }

        ProgressLine.Show(string.Empty);
        return found;
    }

    /// <summary>
    /// Rows of both figures, medians of all rounds, and the ratio of the two. Where there are more rounds, each round's before
    /// them; the ratio is then the median of the rounds' own, since a round's requests are the same in both and another round's
    /// are not, and a row below shows the least and the greatest.
    /// </summary>
    public static void AddRows(Table table, IReadOnlyList<(LoadFigures Simulated, LoadFigures Measured)> rounds)
    {
        for (int i = 0; i < rounds.Count && rounds.Count > 1; i++)
        {
            LoadTable.AddRow(table, $"round {i + 1} simulated", rounds[i].Simulated);
            LoadTable.AddRow(table, $"round {i + 1} measured", rounds[i].Measured);
        }

        LoadTable.AddRow(table, "simulated", LoadFigures.Medians([.. rounds.Select(r => r.Simulated)]));
        LoadTable.AddRow(table, "measured", LoadFigures.Medians([.. rounds.Select(r => r.Measured)]));
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

            string Of(Func<LoadFigures, double> figure) => summary([.. rounds.Select(r => Ratio(figure(r.Simulated), figure(r.Measured)))]);
        }

        // Nothing in both is agreement.
        static double Ratio(double simulated, double measured) => simulated == measured ? 1 : simulated / measured;

        static string Show(double ratio) => double.IsInfinity(ratio) ? "∞" : Figures.Number(ratio, 2);
    }
}

using System.Globalization;
using Octavo.Engine;
using Octavo.Engine.Simulation;
using Octavo.Engine.Workloads;

namespace Octavo.Cli.Scenarios;

/// <summary>Six loads, each with adaptive batching and with fixed limits: all of a grid in the simulator, the best of them in real runs.</summary>
/// <param name="options">The machine, the targets and the engine's limits.</param>
/// <param name="names">Which of <see cref="Scenario.Names"/>.</param>
/// <param name="maxLength">The longest sequence.</param>
/// <param name="seconds">How long requests come.</param>
internal sealed class ScenarioRuns(SimulationOptions options, IReadOnlyList<string> names, int maxLength, double seconds)
{
    private const int BestOfEach = 3;

    private static readonly BatchSetting[] Grid =
    [
        .. from seqs in new[] { 4, 8, 16, 32, 64, 128 }
           from tokens in new[] { 64, 128, 256, 512, 1024, 2048 }
           where tokens >= seqs
           select new BatchSetting(BatchingMode.Fixed, seqs, tokens),
    ];

    /// <summary>The targets, in words.</summary>
    public string Targets => string.Create(
        CultureInfo.InvariantCulture, $"{options.Targets.InterToken.TotalMilliseconds} ms between tokens (p95), {options.Targets.FirstToken?.TotalSeconds} s to the first");

    /// <summary>Simulates every setting under every scenario.</summary>
    public IReadOnlyList<ScenarioResult> Simulate() => [.. Loads(options.StepTimes).Select(scenario =>
    {
        BenchOutput.Progress("simulating " + scenario.Name);
        return new ScenarioResult(scenario.Name, Grid.Append(BatchSetting.Adaptive).AsParallel().ToDictionary(
            setting => setting, setting => LoadFigures.Of(Simulator.Run(scenario.Requests, Scenario.With(options, setting)), options.Targets).Goodput));
    })];

    /// <summary>
    /// Runs, one after another in real time: adaptive batching, the fixed settings that the simulator found best for the
    /// scenario, vLLM's defaults, and the setting that the simulator found best over all. A machine that others use is not as
    /// fast in one minute as in the next, so each time a scenario's load is made for how long steps take right before it.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="simulated">What <see cref="Simulate"/> found.</param>
    /// <param name="rounds">How often; medians count.</param>
    /// <param name="calibrate">True where step times are measured; false where they were given.</param>
    public IReadOnlyList<ScenarioResult> Measure(LoadedModel model, IReadOnlyList<ScenarioResult> simulated, int rounds, bool calibrate)
    {
        BatchSetting single = ScenarioResult.BestSingle([.. simulated]);
        Dictionary<BatchSetting, List<LoadFigures>>[] found = [.. simulated.Select(s => s.BestFixed.Take(BestOfEach)
            .Concat([BatchSetting.VllmDefaults, single, BatchSetting.Adaptive]).Distinct().ToDictionary(setting => setting, _ => new List<LoadFigures>()))];
        for (int round = 1; round <= rounds; round++)
        {
            for (int i = 0; i < found.Length; i++)
            {
                string progress = $"round {round} of {rounds}: {simulated[i].Scenario}, ";
                Scenario scenario = Loads(calibrate ? Calibration.Run(model, progress + "measuring steps") : options.StepTimes)[i];
                foreach ((BatchSetting setting, List<LoadFigures> figures) in found[i])
                {
                    BenchOutput.Progress(progress + setting);
                    figures.Add(Calibration.Measure(model, setting, options.Targets, scenario.Requests));
                }
            }
        }

        return [.. found.Select((f, i) => new ScenarioResult(simulated[i].Scenario, f.ToDictionary(s => s.Key, s => LoadFigures.Medians(s.Value).Goodput)))];
    }

    private IReadOnlyList<Scenario> Loads(StepTimes steps) =>
        [.. Scenario.All(options with { StepTimes = steps }, maxLength, seconds).Where(s => names.Contains(s.Name))];
}

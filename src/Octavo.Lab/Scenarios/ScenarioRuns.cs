using System.Globalization;
using Octavo.Lab.Measuring;
using Octavo.Lab.Simulation;
using Octavo.Lab.Workloads;

namespace Octavo.Lab.Scenarios;

/// <summary>
/// Six loads, each with adaptive batching and with fixed limits: all of a grid in the simulator, the best of them in
/// real runs.
/// </summary>
/// <param name="options">The machine, the targets and the engine's limits.</param>
/// <param name="names">Which of <see cref="Scenario.Names"/>.</param>
/// <param name="maxLength">The longest sequence.</param>
/// <param name="seconds">How long requests come.</param>
/// <param name="progress">Hears what is going on.</param>
internal sealed class ScenarioRuns(
    SimulationOptions options, IReadOnlyList<string> names, int maxLength, double seconds, Action<string> progress)
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
    public string TargetText => string.Create(
        CultureInfo.InvariantCulture,
        $"{Targets.InterToken.TotalMilliseconds} ms between tokens (p95), "
            + $"{Targets.FirstToken?.TotalSeconds} s to the first");

    private BatchingTargets Targets => options.Scheduling.Targets;

    /// <summary>Simulates every setting under every scenario.</summary>
    public IReadOnlyList<ScenarioResult> Simulate() => [.. names.Select(name =>
    {
        progress("simulating " + name);
        IReadOnlyList<WorkloadRequest> requests = Scenario.Requests(name, options, maxLength, seconds);
        return new ScenarioResult(name, Grid.Append(BatchSetting.Adaptive).AsParallel().ToDictionary(
            setting =>
                setting,
                IReadOnlyList<double> (setting) =>
                    [LoadFigures.Of(Simulator.Run(requests, Scenario.With(options, setting)), Targets).Goodput]));
    })];

    /// <summary>
    /// Runs, one after another in real time: the fixed settings that the simulator found best for the scenario, vLLM's
    /// defaults, the setting that the simulator found best over all, and adaptive batching. Each round begins with
    /// another one, and each draws a load of its own, from step times measured right before it: a machine that gets
    /// faster makes every load lighter.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="simulated">What <see cref="Simulate"/> found.</param>
    /// <param name="rounds">How often.</param>
    /// <param name="calibrate">
    /// True to measure step times before each load; false where they were given, and make all loads from those.
    /// </param>
    public IReadOnlyList<ScenarioResult> Measure(
        LoadedModel model, IReadOnlyList<ScenarioResult> simulated, int rounds, bool calibrate)
    {
        BatchSetting single = ScenarioResult.BestSingle(simulated);
        BatchSetting[][] settings = [.. simulated.Select(s => s.BestFixed.Take(BestOfEach)
            .Concat([BatchSetting.VllmDefaults, single, BatchSetting.Adaptive]).Distinct().ToArray())];
        Dictionary<BatchSetting, List<double>>[] found =
            [.. settings.Select(all => all.ToDictionary(s => s, _ => new List<double>()))];
        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < simulated.Count; i++)
            {
                string turnOf = $"round {round + 1} of {rounds}: {simulated[i].Scenario}, ";
                StepTimes steps = calibrate ? MeasureSteps(turnOf) : options.StepTimes;
                IReadOnlyList<WorkloadRequest> requests = Scenario
                    .Requests(simulated[i].Scenario, options with { StepTimes = steps }, maxLength, seconds, round);
                for (int turn = 0; turn < settings[i].Length; turn++)
                {
                    BatchSetting setting = settings[i][(round + turn) % settings[i].Length];
                    progress(turnOf + setting);
                    found[i][setting].Add(Calibration.Measure(model, setting, Targets, requests).Goodput);
                }
            }
        }

        return [.. found.Select((f, i) => new ScenarioResult(
            simulated[i].Scenario, f.ToDictionary(s => s.Key, IReadOnlyList<double> (s) => s.Value)))];

        StepTimes MeasureSteps(string turnOf)
        {
            progress(turnOf + "measuring steps");
            return Calibration.Run(model);
        }
    }
}

using Octavo.Engine;
using Octavo.Engine.Simulation;
using Octavo.Engine.Workloads;

namespace Octavo.Cli.Scenarios;

/// <summary>One of six loads, in multiples of what this machine gets through.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Requests">Its requests.</param>
internal sealed record Scenario(string Name, IReadOnlyList<WorkloadRequest> Requests)
{
    private const int Seed = 7;

    /// <summary>What they are called.</summary>
    public static IReadOnlyList<string> Names { get; } = ["light", "moderate", "saturating", "bursts of 10 times", "ramp", "mixed long prompts"];

    /// <summary>All six.</summary>
    /// <param name="options">The machine, and the engine's limits.</param>
    /// <param name="maxLength">The longest sequence.</param>
    /// <param name="seconds">How long requests come.</param>
    public static IReadOnlyList<Scenario> All(SimulationOptions options, int maxLength, double seconds)
    {
        var usual = new Workload
        {
            MaxLength = maxLength,
            Seed = Seed,
            Prompt = new LogNormalLength(161, 1, maxLength / 2),
            Output = new LogNormalLength(120, 0.8, maxLength / 4),
        };
        double rate = SustainableRate(usual, options);
        return
        [
            Make(Names[0], usual with { Rate = 0.2 * rate }, 0.2),
            Make(Names[1], usual with { Rate = 0.6 * rate }, 0.6),
            Make(Names[2], usual with { Rate = 1.5 * rate }, 1.5),
            Make(Names[3], usual with { Arrivals = ArrivalProcess.OnOff, Rate = 0.2 * rate, PeakRate = 2 * rate, Period = seconds / 3 }, 1.1),
            Make(Names[4], usual with { Arrivals = ArrivalProcess.Ramp, Rate = 0.1 * rate, PeakRate = 1.5 * rate }, 1.4 / Math.Log(15)),
            Make(Names[5], usual with { Rate = 0.5 * rate, LongPart = 0.1, LongPrompt = new UniformLength(maxLength / 2, maxLength / 2) }, 0.5),
        ];

        // A ramp grows with the number of requests, so its mean gap is that of a logarithm.
        Scenario Make(string name, Workload load, double meanRate) =>
            new(name, (load with { Requests = Math.Max(1, (int)(meanRate * rate * seconds)) }).Make());
    }

    // What vLLM's defaults get through when all requests are there at once.
    private static double SustainableRate(Workload usual, SimulationOptions options)
    {
        Workload all = usual with { Arrivals = ArrivalProcess.Saturating, Requests = 400 };
        IReadOnlyList<RequestRecord> records = Simulator.Run(all.Make(), With(options, BatchSetting.VllmDefaults));
        return records.Count / records.Max(r => r.End);
    }

    /// <summary>The same simulation with another setting.</summary>
    public static SimulationOptions With(SimulationOptions options, BatchSetting setting) =>
        options with { Batching = setting.Batching, MaxNumSeqs = setting.MaxNumSeqs, MaxNumBatchedTokens = setting.MaxNumBatchedTokens };
}

/// <summary>What each setting reached under one scenario.</summary>
/// <param name="Scenario">Its name.</param>
/// <param name="Goodput">Requests a second that met both targets.</param>
internal sealed record ScenarioResult(string Scenario, IReadOnlyDictionary<BatchSetting, double> Goodput)
{
    private const double Least = 1e-9;

    /// <summary>What adaptive batching reached.</summary>
    public double Adaptive => Goodput[BatchSetting.Adaptive];

    /// <summary>Fixed settings, the best first.</summary>
    public IEnumerable<BatchSetting> BestFixed => Goodput.Keys.Where(s => s.Batching == BatchingMode.Fixed).OrderByDescending(s => Goodput[s]).ThenBy(s => s.MaxNumBatchedTokens);

    /// <summary>What the best fixed setting reached.</summary>
    public double Best => Math.Max(Least, Goodput[BestFixed.First()]);

    /// <summary>What a setting reached, over the best fixed one.</summary>
    public double Relative(BatchSetting setting) => Goodput[setting] / Best;

    /// <summary>The fixed setting that is best over all scenarios, each relative to its best fixed one.</summary>
    /// <param name="all">The scenarios; only settings that ran under each of them count.</param>
    public static BatchSetting BestSingle(IReadOnlyCollection<ScenarioResult> all) =>
        all.First().BestFixed.Where(s => all.All(r => r.Goodput.ContainsKey(s))).MaxBy(s => Mean(all, s))!;

    /// <summary>A setting's mean over all scenarios, each relative to its best fixed setting.</summary>
    public static double Mean(IReadOnlyCollection<ScenarioResult> all, BatchSetting setting) => all.Average(r => r.Relative(setting));
}

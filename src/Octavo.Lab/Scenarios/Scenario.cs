using Octavo.Lab.Simulation;
using Octavo.Lab.Workloads;

namespace Octavo.Lab.Scenarios;

/// <summary>Six loads, in multiples of what a machine gets through.</summary>
internal static class Scenario
{
    private const string Light = "light";
    private const string Moderate = "moderate";
    private const string Saturating = "saturating";
    private const string Bursts = "bursts of 10 times";
    private const string Ramp = "ramp";
    private const string Mixed = "mixed long prompts";
    private const int Seed = 7;

    /// <summary>What they are called.</summary>
    public static IReadOnlyList<string> Names { get; } = [Light, Moderate, Saturating, Bursts, Ramp, Mixed];

    /// <summary>The requests of one of them.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="options">The machine, and the engine's limits.</param>
    /// <param name="maxLength">The longest sequence.</param>
    /// <param name="seconds">How long requests come.</param>
    /// <param name="draw">Each draws other requests.</param>
    public static IReadOnlyList<WorkloadRequest> Requests(
        string name, SimulationOptions options, int maxLength, double seconds, int draw = 0)
    {
        var usual = new Workload
        {
            MaxLength = maxLength,
            Seed = Seed + draw,
            Prompt = new LogNormalLength(161, 1, maxLength / 2),
            Output = new LogNormalLength(120, 0.8, maxLength / 4),
        };
        double rate = SustainableRate(usual with { Seed = Seed }, options);
        (Workload load, double meanRate) = name switch
        {
            Light => (usual with { Rate = 0.2 * rate }, 0.2),
            Moderate => (usual with { Rate = 0.6 * rate }, 0.6),
            Saturating => (usual with { Rate = 1.5 * rate }, 1.5),
            Bursts =>
                (
                    usual with
                    {
                        Arrivals = ArrivalProcess.OnOff,
                        Rate = 0.2 * rate,
                        PeakRate = 2 * rate,
                        Period = seconds / 3,
                    },
                    1.1),

            // A ramp grows with the number of requests, so its mean gap is that of a logarithm.
            Ramp =>
                (
                    usual with { Arrivals = ArrivalProcess.Ramp, Rate = 0.1 * rate, PeakRate = 1.5 * rate },
                    1.4 / Math.Log(15)),
            Mixed =>
                (
                    usual with
                    {
                        Rate = 0.5 * rate,
                        LongPart = 0.1,
                        LongPrompt = new UniformLength(maxLength / 2, maxLength / 2),
                    },
                    0.5),
            _ => throw new ArgumentException($"there is no scenario '{name}'", nameof(name)),
        };
        return (load with { Requests = Math.Max(1, (int)(meanRate * rate * seconds)) }).Make();
    }

    /// <summary>The same simulation with another setting.</summary>
    public static SimulationOptions With(SimulationOptions options, BatchSetting setting) =>
        options with { Scheduling = setting.Over(options.Scheduling) };

    // What vLLM's defaults get through when all requests are there at once.
    private static double SustainableRate(Workload usual, SimulationOptions options)
    {
        Workload all = usual with { Arrivals = ArrivalProcess.Saturating, Requests = 400 };
        IReadOnlyList<RequestRecord> records = Simulator.Run(all.Make(), With(options, BatchSetting.VllmDefaults));
        return records.Count / records.Max(r => r.End);
    }
}

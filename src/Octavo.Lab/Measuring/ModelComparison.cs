using Octavo.Formats;

namespace Octavo.Lab.Measuring;

/// <summary>A way to store a model that is measured.</summary>
/// <param name="Name">What the weights' storage is called.</param>
/// <param name="Head">The policy for the output head.</param>
/// <param name="Options">What is measured.</param>
internal sealed record ModelScheme(string Name, HeadQuantization Head, ModelBenchmarkOptions Options);

/// <summary>What was found for one scheme.</summary>
/// <param name="Scheme">What the weights' storage is called.</param>
/// <param name="Head">The policy for the output head.</param>
/// <param name="Options">What was measured.</param>
/// <param name="WeightBytes">Bytes of the packed weights.</param>
/// <param name="Steps">The measurements.</param>
/// <param name="Skipped">What memory was too small for.</param>
internal sealed record ModelFigures(
    string Scheme,
    HeadQuantization Head,
    ModelBenchmarkOptions Options,
    long WeightBytes,
    IReadOnlyList<StepMeasurement> Steps,
    IReadOnlyList<SkippedStep> Skipped)
{
    /// <summary>What the cache's storage is called.</summary>
    public string CacheName => Options.KvCache.ToString().ToLowerInvariant();

    /// <summary>The measurement of the same kind of step, or null.</summary>
    public StepMeasurement? Find(StepMeasurement like) =>
        Steps.FirstOrDefault(s => (s.Phase, s.Sequences, s.Context) == (like.Phase, like.Sequences, like.Context));
}

/// <summary>A model stored in several ways, measured in turn, beside the ceilings of this machine.</summary>
/// <param name="open">Opens or makes the model.</param>
/// <param name="schemes">How it is stored; all have the same threads.</param>
/// <param name="progress">Hears what is going on.</param>
internal sealed class ModelComparison(
    Func<BenchedModel> open, IReadOnlyList<ModelScheme> schemes, Action<string> progress)
{
    private const int StepsBetweenLooks = 4;

    private readonly int? _threads = schemes[0].Options.Threads;

    /// <summary>Measures all steps of all schemes.</summary>
    /// <param name="rounds">How often; medians are kept.</param>
    public (MachineCeilings Ceilings, IReadOnlyList<ModelFigures> Models) Run(int rounds)
    {
        MachineCeilings ceilings = Look(null);
        progress("making the model");
        using BenchedModel model = open();
        List<ModelBenchmark> benchmarks = [];
        List<StepMeasurement>[] found = [.. schemes.Select(_ => new List<StepMeasurement>())];
        try
        {
            long memory = MachineMemory.Read().Free / 10 * 9;      // a tenth for everybody else
            foreach (ModelScheme scheme in schemes)
            {
                long left = memory - benchmarks.Sum(b => b.MemoryBytes);
                benchmarks.Add(new ModelBenchmark(model, scheme.Options, left));
            }

            for (int round = 1; round <= rounds; round++)
            {
                ceilings = MeasureAll(benchmarks, found, ceilings, rounds == 1 ? string.Empty : $"round {round}, ");
            }

            return (ceilings, [.. benchmarks.Select((b, i) => new ModelFigures(
                schemes[i].Name, schemes[i].Head, schemes[i].Options, b.WeightBytes, Medians(found[i]), b.Skipped))]);
        }
        finally
        {
            benchmarks.ForEach(b => b.Dispose());
        }
    }

    /// <summary>One round: each kind of step of one scheme after another, so that they meet the same machine.</summary>
    private MachineCeilings MeasureAll(
        List<ModelBenchmark> benchmarks, List<StepMeasurement>[] found, MachineCeilings ceilings, string round)
    {
        int? threads = ceilings.Threads;
        double before = MachineCeilings.MeasureReadBandwidth(threads);
        int steps = 0;
        foreach (StepKind step in benchmarks.SelectMany(b => b.Steps).Distinct().ToArray())
        {
            for (int i = 0; i < benchmarks.Count; i++)
            {
                if (benchmarks[i].Steps.Contains(step))
                {
                    progress($"{round}{schemes[i].Name}, {step}");
                    StepMeasurement measured = benchmarks[i].Measure(step);
                    double behind = MachineCeilings.MeasureReadBandwidth(threads);
                    found[i].Add(measured with { ReadBandwidth = Math.Max(before, behind) });
                    before = behind;
                }
            }

            if (++steps % StepsBetweenLooks == 0)
            {
                ceilings = Look(ceilings);
            }
        }

        return Look(ceilings);
    }

    // On a machine that others use, too, the highest of several looks is nearest to the truth.
    private MachineCeilings Look(MachineCeilings? before)
    {
        progress("ceilings of this machine");
        MachineCeilings now = MachineCeilings.Measure(before?.Threads ?? _threads);
        return before?.Or(now) ?? now;
    }

    /// <summary>Of each kind of step the measurement of median time, in the order of the first round.</summary>
    private static List<StepMeasurement> Medians(List<StepMeasurement> all) =>
    [
        .. all.GroupBy(s => (s.Phase, s.Sequences, s.Context))
            .Select(g => g.OrderBy(s => s.Seconds).ElementAt(g.Count() / 2)),
    ];
}

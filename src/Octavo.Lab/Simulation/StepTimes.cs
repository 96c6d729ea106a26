using Octavo.Engine;
using Octavo.Engine.Batching;
using Octavo.Lab.Workloads;

namespace Octavo.Lab.Simulation;

/// <summary>How long steps take: what a simulation knows of a machine and its model.</summary>
/// <param name="Coefficients">
/// Seconds a unit of each of the step-time model's <see cref="Terms"/> terms (docs/batching.md).
/// </param>
/// <param name="Noise">
/// How far ordinary steps are off from that: a standard deviation, relative to it. What seldom holds a step up is no
/// part of it.
/// </param>
internal sealed record StepTimes(IReadOnlyList<double> Coefficients, double Noise = 0.03)
{
    /// <summary>Numbers in <see cref="Coefficients"/>.</summary>
    public const int Terms = StepTimeModel.NumTerms;

    private const int ShortPrompt = 8;
    private const int LongPrompt = 512;
    private const int Outputs = 6;
    private const int MostRounds = 20;
    private const double DeviationOfError = 1.4826;      // a normal distribution's, over its median absolute error

    // Requests at once and their prompts: single prompts, and batches that decode short contexts and, once, long ones.
    // What tells most comes first, for a model that gets through only a part of them in the time.
    private static readonly (int Requests, int Prompt)[] Loads =
    [
        .. new[] { 16, 64, 256, 128, 512 }.Select(prompt => (1, prompt)),
        .. new[] { 4, 16, 64 }.Select(requests => (requests, ShortPrompt)),
        (4, LongPrompt),
        .. new[] { 24, 32, 48, 96, 192, 384, 1024 }.Select(prompt => (1, prompt)),
        .. new[] { 2, 8, 32, 128 }.Select(requests => (requests, ShortPrompt)),
    ];

    /// <summary>The mean of two measurements.</summary>
    public static StepTimes Mean(StepTimes a, StepTimes b)
    {
        return new([.. a.Coefficients.Zip(b.Coefficients, (x, y) => (x + y) / 2)], (a.Noise + b.Noise) / 2);
    }

    /// <summary>
    /// Measures them with the whole engine, its sampling and its sinks: single prompts of many lengths, and decoding at
    /// many batch sizes, over and over while there is time. All steps count the same.
    /// </summary>
    /// <param name="engine">An engine that has served nobody yet.</param>
    /// <param name="limit">No further load begins after this time.</param>
    /// <param name="time">The engine's clock.</param>
    public static StepTimes Measure(LlmEngine engine, TimeSpan limit, TimeProvider time)
    {
        List<(StepLoad Load, double Seconds)> steps = [];
        long began = time.GetTimestamp();
        engine.Probe();                                            // so that the first steps that count find warm code
        try
        {
            engine.Batching.StepRan = (load, seconds) => steps.Add((load, seconds));
            for (int i = 0; i < MostRounds * Loads.Length && time.GetElapsedTime(began) < limit; i++)
            {
                (int requests, int prompt) = Loads[i % Loads.Length];
                prompt = Math.Max(1, Math.Min(prompt, engine.MaxModelLen - Outputs));
                var load = new Workload
                {
                    Arrivals = ArrivalProcess.Saturating,
                    Requests = requests,
                    Prompt = new UniformLength(prompt, prompt),
                    Output = new UniformLength(Outputs, Outputs),
                    MaxLength = engine.MaxModelLen,
                    Seed = i,                                      // none finds its prompt in the prefix cache
                };
                LoadRunner.Run(engine, load.Make(), engine.VocabSize, time);
            }
        }
        finally
        {
            engine.Batching.StepRan = null;
        }

        StepTimeModel model = engine.Batching.Model;
        model.Fit(steps);
        double[] errors = [.. steps.Select(s => Math.Abs((s.Seconds / model.Predict(s.Load)) - 1)).Order()];
        return new StepTimes(
            model.Coefficients.ToArray(), DeviationOfError * errors.ElementAtOrDefault(errors.Length / 2));
    }
}

using Octavo.Engine;
using Octavo.Engine.Simulation;
using Octavo.Engine.Workloads;

namespace Octavo.Cli;

/// <summary>Learns how long a model's steps take on this machine.</summary>
internal static class Calibration
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);
    private static readonly double DeviationOfError = Math.Sqrt(Math.PI / 2);      // of a normal distribution, over its mean absolute

    /// <summary>What the step-time model has learned.</summary>
    public static StepTimes Run(LoadedModel model)
    {
        using LlmEngine engine = model.MakeEngine(Options(model, BatchingMode.Adaptive, new BatchingTargets(), 128, model.MaxNumBatchedTokens));
        engine.Probe(Limit);
        // What the engine does beside the model, sampling above all, shows only under a load; a short one, so that what the
        // probe told apart stays known.
        var load = new Workload
        {
            Arrivals = ArrivalProcess.Saturating,
            Requests = 32,
            MaxLength = Math.Min(512, model.MaxModelLen),
            Output = new UniformLength(16, 64),
        };
        LoadRunner.Run(engine, load.Make(), model.VocabSize, TimeProvider.System);
        return new StepTimes(engine.StepTimeCoefficients, DeviationOfError * engine.StepTimeError);
    }

    /// <summary>An engine for a measurement, which knows how long its steps take where it must.</summary>
    public static LlmEngine MakeEngine(LoadedModel model, BatchSetting setting, BatchingTargets targets)
    {
        LlmEngine engine = model.MakeEngine(Options(model, setting.Batching, targets, setting.MaxNumSeqs, setting.MaxNumBatchedTokens));
        if (setting.Batching == BatchingMode.Adaptive)
        {
            engine.Probe();
        }

        return engine;
    }

    /// <summary>Runs a load in real time.</summary>
    public static LoadFigures Measure(LoadedModel model, BatchSetting setting, BatchingTargets targets, IReadOnlyList<WorkloadRequest> requests)
    {
        using LlmEngine engine = MakeEngine(model, setting, targets);
        return LoadFigures.Of(LoadRunner.Run(engine, requests, model.VocabSize, TimeProvider.System), targets);
    }

    /// <summary>An engine's options for a measurement.</summary>
    public static LlmEngineOptions Options(LoadedModel model, BatchingMode batching, BatchingTargets targets, int maxNumSeqs, int maxNumBatchedTokens) => new()
    {
        MaxModelLen = model.MaxModelLen,
        Batching = batching,
        Targets = targets,
        MaxNumSeqs = Math.Min(maxNumSeqs, maxNumBatchedTokens),
        MaxNumBatchedTokens = Math.Min(maxNumBatchedTokens, model.MaxNumBatchedTokens),
    };
}

/// <summary>How long steps take, as a simulation needs it.</summary>
/// <param name="Coefficients">Of <see cref="SimulationOptions.StepTime"/>.</param>
/// <param name="Noise">Of <see cref="SimulationOptions.Noise"/>.</param>
internal sealed record StepTimes(IReadOnlyList<double> Coefficients, double Noise)
{
    /// <summary>The mean of two measurements.</summary>
    public static StepTimes Mean(StepTimes a, StepTimes b) =>
        new([.. a.Coefficients.Zip(b.Coefficients, (x, y) => (x + y) / 2)], (a.Noise + b.Noise) / 2);

    /// <summary>A simulation with them.</summary>
    public SimulationOptions In(SimulationOptions options) => options with { StepTime = Coefficients, Noise = Noise };
}

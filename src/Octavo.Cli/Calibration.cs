using Octavo.Engine;
using Octavo.Engine.Workloads;

namespace Octavo.Cli;

/// <summary>Learns how long a model's steps take on this machine: the probe, then a few seconds of mixed load.</summary>
internal static class Calibration
{
    /// <summary>The coefficients that the step-time model has learned.</summary>
    public static IReadOnlyList<double> Run(LoadedModel model, Workload like)
    {
        using LlmEngine engine = model.MakeEngine(Options(model, BatchingMode.Adaptive, new BatchingTargets(), 128, Math.Min(512, model.MaxNumBatchedTokens)));
        engine.Probe();
        Workload full = like with { Arrivals = ArrivalProcess.Saturating, Requests = 48, Turns = 1, Trace = null, Seed = like.Seed + 1, MaxLength = Math.Min(512, model.MaxModelLen) };
        LoadRunner.Run(engine, full.Make(), model.VocabSize, TimeProvider.System);
        for (int running = 1; running <= 8; running *= 2)
        {
            Workload few = full with { Requests = running, Output = new UniformLength(48, 48), Seed = running };
            LoadRunner.Run(engine, few.Make(), model.VocabSize, TimeProvider.System);
        }

        return engine.StepTimeCoefficients;
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

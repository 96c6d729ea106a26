using Octavo.Engine;
using Octavo.Engine.Workloads;

namespace Octavo.Cli;

/// <summary>Learns how long a model's steps take on this machine.</summary>
internal static class Calibration
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <summary>The coefficients that the step-time model has learned.</summary>
    public static IReadOnlyList<double> Run(LoadedModel model)
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
        return engine.StepTimeCoefficients;
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

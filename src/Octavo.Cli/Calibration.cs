using Octavo.Engine;
using Octavo.Engine.Simulation;
using Octavo.Engine.Workloads;

namespace Octavo.Cli;

/// <summary>Learns how long a model's steps take on this machine.</summary>
internal static class Calibration
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <summary>Measures them with a fresh engine.</summary>
    public static StepTimes Run(LoadedModel model)
    {
        using LlmEngine engine = MakeEngine(model, BatchSetting.VllmDefaults, new BatchingTargets());
        return StepTimes.Measure(engine, Limit, TimeProvider.System);
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

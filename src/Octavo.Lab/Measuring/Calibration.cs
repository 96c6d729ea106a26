using Octavo.Engine;
using Octavo.Lab.Simulation;
using Octavo.Lab.Workloads;

namespace Octavo.Lab.Measuring;

/// <summary>Measurements of a loaded model: how long its steps take, and what it does under a load.</summary>
internal static class Calibration
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <summary>Measures steps with a fresh engine.</summary>
    public static StepTimes Run(LoadedModel model)
    {
        using LlmEngine engine = MakeEngine(model, BatchSetting.VllmDefaults, new BatchingTargets());
        return StepTimes.Measure(engine, Limit, TimeProvider.System);
    }

    /// <summary>An engine for a measurement, which knows how long its steps take where it must.</summary>
    private static LlmEngine MakeEngine(LoadedModel model, BatchSetting setting, BatchingTargets targets)
    {
        LlmEngine engine = model.MakeEngine(new LlmEngineOptions
        {
            MaxModelLen = model.MaxModelLen,
            Scheduling = new SchedulingOptions
            {
                Batching = setting.Batching,
                Targets = targets,
                MaxNumSeqs = Math.Min(setting.MaxNumSeqs, setting.MaxNumBatchedTokens),
                MaxNumBatchedTokens = Math.Min(setting.MaxNumBatchedTokens, model.MaxNumBatchedTokens),
            },
        });
        if (setting.Batching == BatchingMode.Adaptive)
        {
            engine.Probe();
        }

        return engine;
    }

    /// <summary>Runs a load in real time, as <see cref="LoadRunner.Run"/> does.</summary>
    public static LoadFigures Measure(
        LoadedModel model, BatchSetting setting, BatchingTargets targets, IReadOnlyList<WorkloadRequest> requests, CancellationToken cancellation = default, TimeSpan? limit = null)
    {
        using LlmEngine engine = MakeEngine(model, setting, targets);
        return LoadFigures.Of(
            LoadRunner.Run(engine, requests, model.VocabSize, TimeProvider.System, cancellation, limit), targets);
    }
}

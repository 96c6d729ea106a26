using Octavo.Lab.Simulation;
using Octavo.Lab.Workloads;

namespace Octavo.Lab.Measuring;

/// <summary>
/// A load simulated and run on the model, in turn. A machine that others use is not as fast in one minute as in the
/// next, so steps are measured before each run and behind it, and the simulation has their mean.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="workload">The load; each round draws other requests of it, unless it is a trace.</param>
/// <param name="options">What is simulated.</param>
/// <param name="progress">Hears what is going on.</param>
internal sealed class SimulationCheck(
    LoadedModel model, Workload workload, SimulationOptions options, Action<string> progress)
{
    /// <summary>Both figures of each round.</summary>
    /// <param name="rounds">How often the load is run.</param>
    /// <param name="calibrate">
    /// True where step times were just measured, and are to be measured again behind each run; false where they are
    /// given.
    /// </param>
    public IReadOnlyList<(LoadFigures Simulated, LoadFigures Measured)> Run(int rounds, bool calibrate)
    {
        BatchingTargets targets = options.Scheduling.Targets;
        BatchSetting setting = BatchSetting.Of(options.Scheduling);
        List<(LoadFigures Simulated, LoadFigures Measured)> found = [];
        StepTimes before = options.StepTimes;
        for (int round = 0; round < rounds; round++)
        {
            IReadOnlyList<WorkloadRequest> requests = (workload with { Seed = workload.Seed + round }).Make();
            progress($"round {round + 1} of {rounds}: running the load");
            LoadFigures measured = Calibration.Measure(model, setting, targets, requests);
            StepTimes behind = calibrate ? MeasureSteps(round) : before;
            SimulationOptions between = options with
            {
                StepTimes = StepTimes.Mean(before, behind),
                Seed = options.Seed + round,
            };
            found.Add((LoadFigures.Of(Simulator.Run(requests, between), targets), measured));
            before = behind;
        }

        return found;

        StepTimes MeasureSteps(int round)
        {
            progress($"round {round + 1} of {rounds}: measuring steps");
            return Calibration.Run(model);
        }
    }
}

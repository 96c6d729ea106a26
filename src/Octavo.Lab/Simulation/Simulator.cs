using Octavo.Engine;
using Octavo.Engine.Routing;
using Octavo.Lab.Workloads;

namespace Octavo.Lab.Simulation;

/// <summary>
/// Runs a workload through replicas on a virtual clock: seconds of computing for hours of load. Scheduler, cache and
/// policies are the engine's own; only the time that a step takes is a model's.
/// </summary>
internal static class Simulator
{
    /// <summary>Runs a workload to its end.</summary>
    /// <param name="requests">In order of arrival.</param>
    /// <param name="options">What is simulated.</param>
    /// <param name="cancellationToken">Calls it off.</param>
    /// <exception cref="EngineConfigurationException">A request is longer than a replica's cache.</exception>
    public static IReadOnlyList<RequestRecord> Run(
        IReadOnlyList<WorkloadRequest> requests,
        SimulationOptions options,
        CancellationToken cancellationToken = default)
    {
        Check(requests, options);
        RequestRecord[] records = [.. requests.Select(r => new RequestRecord(r))];
        SimulatedReplica[] replicas =
            [.. Enumerable.Range(0, options.Replicas).Select(i => new SimulatedReplica(options, i))];
        var placed = new (SimulatedReplica Replica, SimulatedRequest Request)[records.Length];
        var leaving = new PriorityQueue<int, double>();
        IRoutingPolicy routing = RoutingPolicies.Make(options.Routing);
        long[] loads = new long[replicas.Length];
        int next = 0;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            SimulatedReplica first = replicas.MinBy(r => r.NextEvent)!;
            double arrival = next < records.Length ? records[next].Request.Arrival : double.PositiveInfinity;
            double leave = leaving.TryPeek(out int gone, out double at) ? at : double.PositiveInfinity;
            if (double.IsPositiveInfinity(Math.Min(first.NextEvent, arrival)))
            {
                return records;
            }

            if (arrival <= first.NextEvent && arrival <= leave)
            {
                for (int i = 0; i < replicas.Length; i++)
                {
                    loads[i] = replicas[i].Load;
                }

                SimulatedReplica replica = replicas[routing.Choose(BeginningOf(records[next].Request), loads)];
                placed[next] = (replica, replica.Add(records[next], arrival));
                if (options.AbortAt?.Invoke(next) is { } time)
                {
                    leaving.Enqueue(next, Math.Max(time, arrival));
                }

                next++;
            }
            else if (leave <= first.NextEvent)
            {
                leaving.Dequeue();
                placed[gone].Replica.Abort(placed[gone].Request, leave);
            }
            else
            {
                first.EndStep();
            }
        }
    }

    // A conversation's turns begin alike, and so do prompts with a shared beginning.
    private static int? BeginningOf(WorkloadRequest request) =>
        request.Conversation ?? (request.PrefixTokens == 0 ? null : request.PrefixSeed);

    private static void Check(IReadOnlyList<WorkloadRequest> requests, SimulationOptions options)
    {
        long capacity = (long)options.NumBlocks * options.BlockSize;
        int longest = requests.Select(r => r.PromptTokens + r.OutputTokens).DefaultIfEmpty().Max();
        if (longest > capacity)
        {
            throw new EngineConfigurationException(
                $"a request of {longest} tokens does not fit into a cache of {capacity}: give the simulation more");
        }

        List<ParameterFault> faults = [];
        faults.Check(options.Replicas >= 1, nameof(options.Replicas), $"must be at least 1", options.Replicas);
        options.Scheduling.Validate(faults);
        faults.ThrowIfAny();
    }
}

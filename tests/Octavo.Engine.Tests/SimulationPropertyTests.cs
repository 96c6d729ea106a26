using Octavo.Engine.Scheduling;
using Octavo.Engine.Simulation;
using Octavo.Engine.Workloads;

namespace Octavo.Engine.Tests;

/// <summary>
/// Random workloads through the simulator, with both policies, tiny pools, slow steps, aborts, clients and priorities: no
/// pool overrun, nobody starves, each request ends exactly once, and targets are kept where they can be.
/// </summary>
public sealed class SimulationPropertyTests
{
    private const int Workloads = 10_000;
    private static readonly double[] Machine = [0.003, 0.0001, 0.0002, 0.00025, 0.00008, 0.0009, 0.0004];

    [Fact]
    public void Run_RandomWorkloads_KeepTheRules()
    {
        int preempting = 0;
        int aborting = 0;
        Parallel.For(0, Workloads, seed =>
        {
            bool preempted = false;
            bool aborted = Check(seed, ref preempted);
            Interlocked.Add(ref preempting, preempted ? 1 : 0);
            Interlocked.Add(ref aborting, aborted ? 1 : 0);
        });

        preempting.ShouldBeGreaterThan(Workloads / 50);
        aborting.ShouldBeGreaterThan(Workloads / 10);
    }

    [Theory]
    [InlineData(50)]
    [InlineData(100)]
    [InlineData(200)]
    public void Run_SaturatingLoad_KeepsTheInterTokenTarget(int milliseconds)
    {
        for (int seed = 0; seed < 10; seed++)
        {
            var workload = new Workload
            {
                Arrivals = ArrivalProcess.Saturating,
                Requests = 120,
                Seed = seed,
                Prompt = new LogNormalLength(161, 1, 1024),
                Output = new LogNormalLength(120, 0.8, 512),
            };
            var options = new SimulationOptions
            {
                StepTime = Machine,
                Targets = new BatchingTargets { InterToken = TimeSpan.FromMilliseconds(milliseconds) },
                NumBlocks = 16384,
                Seed = seed,
            };
            LoadFigures figures = LoadFigures.Of(Simulator.Run(workload.Make(), options), options.Targets);
            figures.Completed.ShouldBe(120);
            figures.InterTokenLatency.P95.ShouldBeLessThan(milliseconds * 1.1 / 1000, $"seed {seed}");
        }
    }

    [Fact]
    public void Run_SameSeed_SameRecords()
    {
        LoadFigures[] twice = [.. Enumerable.Range(0, 2).Select(_ => LoadFigures.Of(
            Simulator.Run(new Workload { Rate = 3, Seed = 5 }.Make(), new SimulationOptions { StepTime = Machine, SlowSteps = 0.01 }), new BatchingTargets()))];
        twice[0].ShouldBe(twice[1]);
    }

    [Fact]
    public void Run_PrefixAwareRouting_FindsMoreInTheCaches()
    {
        IReadOnlyList<WorkloadRequest> load = new Workload
        {
            Rate = 150,
            Requests = 600,
            Prefixes = 15,
            PrefixTokens = 512,
            Prompt = new UniformLength(16, 64),
            Output = new UniformLength(8, 32),
        }.Make();
        double[] first = [.. new[] { Routing.RoundRobin, Routing.PrefixAware }.Select(routing => LoadFigures.Of(
            Simulator.Run(load, new SimulationOptions { StepTime = Machine, Replicas = 8, Routing = routing, NumBlocks = 150 }), new BatchingTargets()).TimeToFirstToken.P50)];
        first[1].ShouldBeLessThan(first[0] * 0.8);
    }

    // Returns whether a client went away.
    private static bool Check(int seed, ref bool preempted)
    {
        var random = new Random(seed);
        int maxLength = random.Next(8, 140);
        int blockSize = random.Next(1, 17);
        int blocks = (maxLength + blockSize - 1) / blockSize * (random.Next(3) == 0 ? random.Next(2, 20) : 1) + random.Next(4);
        var workload = new Workload
        {
            Arrivals = (ArrivalProcess)random.Next(6),
            Rate = 1 + (random.NextDouble() * 100),
            PeakRate = 1 + (random.NextDouble() * 500),
            Period = 0.5,
            Requests = random.Next(1, 24),
            Prompt = new LogNormalLength(random.Next(1, 100), 1, maxLength),
            Output = new LogNormalLength(random.Next(1, 60), 1, maxLength),
            Prefixes = random.Next(3),
            PrefixTokens = random.Next(1, 32),
            Turns = random.Next(1, 3),
            ThinkTime = 0.2,
            Clients = random.Next(1, 4),
            MaxLength = maxLength,
            Seed = seed,
        };
        WorkloadRequest[] load = [.. workload.Make().Select(r => r with { Priority = random.Next(4) == 0 ? random.Next(-2, 3) : 0 })];
        double?[] aborts = [.. load.Select(r => random.Next(8) == 0 ? r.Arrival + random.NextDouble() : (double?)null)];
        int maxSeqs = random.Next(1, 33);
        int steps = 0;
        bool anyPreempted = false;

        // A stated bound: alone, one after the other, with every step preempted once over, all would be done by then.
        int bound = 100 + (load.Sum(r => r.PromptTokens + r.OutputTokens) * (load.Length + 2));
        var options = new SimulationOptions
        {
            StepTime = Machine,
            Replicas = random.Next(1, 3),
            Routing = (Routing)random.Next(3),
            Batching = (BatchingMode)(random.Next(4) / 3),
            Targets = new BatchingTargets
            {
                InterToken = TimeSpan.FromMilliseconds(random.Next(2, 200)),
                FirstToken = random.Next(2) == 0 ? null : TimeSpan.FromMilliseconds(random.Next(1, 2000)),
            },
            MaxNumSeqs = maxSeqs,
            MaxNumBatchedTokens = maxSeqs + random.Next(300),
            NumBlocks = blocks,
            BlockSize = blockSize,
            EnablePrefixCaching = random.Next(3) > 0,
            KvCacheWatermark = random.Next(2) * 0.05,
            PriorityAgeing = TimeSpan.FromSeconds(0.1 + random.NextDouble()),
            SlowSteps = random.Next(2) * 0.05,
            Seed = seed,
            AbortAt = i => aborts[i],
            Observe = replica =>
            {
                replica.Scheduler.CheckIntegrity();                       // every block free or held exactly as often as it should be
                replica.Scheduler.Running.Count.ShouldBeLessThanOrEqualTo(maxSeqs, $"seed {seed}");
                anyPreempted |= replica.Scheduler.Waiting.Any(r => r.NumPreemptions > 0);
                (++steps).ShouldBeLessThan(bound, $"seed {seed}: somebody starves");
            },
        };
        IReadOnlyList<RequestRecord> records = Simulator.Run(load, options);
        preempted = anyPreempted;
        for (int i = 0; i < records.Count; i++)
        {
            RequestRecord r = records[i];
            double.IsNaN(r.End).ShouldBeFalse($"seed {seed}: request {i} never ended");
            (r.Failed && aborts[i] is null).ShouldBeFalse($"seed {seed}: request {i} was called off by nobody");
            (r.Failed || r.Tokens == r.Request.OutputTokens).ShouldBeTrue($"seed {seed}: request {i} has {r.Tokens} tokens");
        }

        return records.Any(r => r.Failed);
    }
}

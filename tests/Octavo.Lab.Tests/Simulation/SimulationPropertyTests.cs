using Octavo.Engine.Batching;
using Octavo.Engine.Routing;
using Octavo.Engine.Scheduling;
using Octavo.Engine.Sequences;
using Octavo.Lab.Simulation;
using Octavo.Lab.Workloads;
using Octavo.Testing;

namespace Octavo.Lab.Tests.Simulation;

/// <summary>
/// Random workloads through the simulator, with both policies, tiny pools, slow steps, aborts, clients and priorities:
/// no pool overrun, nobody starves, each request ends exactly once, and targets are kept where they can be.
/// </summary>
public sealed class SimulationPropertyTests
{
    private static readonly int Workloads = Extent.Of(10_000);
    private static readonly double[] Machine = [0.003, 0.0001, 0.0002, 0.00025, 0.00008, 0.0009, 0.0004];

    [Fact]
    public void Run_RandomWorkloads_KeepTheRules()
    {
        int preempting = 0;
        int aborting = 0;
        int feasible = 0;
        Parallel.For(0, Workloads, seed =>
        {
            bool preempted = false;
            bool feasibly = false;
            bool aborted = Check(seed, ref preempted, ref feasibly);
            Interlocked.Add(ref feasible, feasibly ? 1 : 0);
            Interlocked.Add(ref preempting, preempted ? 1 : 0);
            Interlocked.Add(ref aborting, aborted ? 1 : 0);
        });

        preempting.ShouldBeGreaterThan(Workloads / 50);
        aborting.ShouldBeGreaterThan(Workloads / 10);
        feasible.ShouldBeGreaterThan(Workloads / 5);
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
                StepTimes = new(Machine),
                Scheduling = new() { Targets = new() { InterToken = TimeSpan.FromMilliseconds(milliseconds) } },
                NumBlocks = 16384,
                Seed = seed,
            };
            LoadFigures figures = LoadFigures.Of(Simulator.Run(workload.Make(), options), options.Scheduling.Targets);
            figures.Completed.ShouldBe(120);
            figures.InterTokenLatency.P95.ShouldBeLessThan(milliseconds * 1.1 / 1000, $"seed {seed}");
        }
    }

    /// <summary>
    /// Few requests, most of them alone: their first tokens come no later than without any target, on a machine that
    /// takes 40 ms for a prompt and on one that takes 340.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(9)]
    public void Run_LightLoad_FirstTokensComeAsSoonAsWithFixedLimits(double slowness)
    {
        var ratios = new List<double>();
        for (int seed = 0; seed < 20; seed++)
        {
            IReadOnlyList<WorkloadRequest> load = new Workload
            {
                Rate = 0.7,
                Requests = 100,
                Prompt = new UniformLength(128, 128),
                Output = new UniformLength(32, 32),
                Seed = seed,
            }.Make();
            double[] median = [.. Enum.GetValues<BatchingMode>().Select(mode => LoadFigures.Of(
                Simulator.Run(load, new SimulationOptions
                {
                    StepTimes = new([.. Machine.Select(c => c * slowness)]),
                    Scheduling = new() { Batching = mode },
                    Seed = seed,
                }), new BatchingTargets()).TimeToFirstToken.P50)];
            ratios.Add(median[(int)BatchingMode.Adaptive] / median[(int)BatchingMode.Fixed]);
        }

        ratios.Order().ElementAt(10).ShouldBeLessThan(1.02);
    }

    [Fact]
    public void Run_SameSeed_SameRecords()
    {
        LoadFigures[] twice = [.. Enumerable.Range(0, 2).Select(_ => LoadFigures.Of(
            Simulator.Run(
                new Workload { Rate = 3, Seed = 5 }.Make(),
                new SimulationOptions { StepTimes = new(Machine), SlowSteps = 0.01 }), new BatchingTargets()))];
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
        double[] first = [.. new[] { "round-robin", "prefix-aware" }.Select(routing => LoadFigures.Of(
            Simulator.Run(
                load,
                new SimulationOptions
                {
                    StepTimes = new(Machine),
                    Replicas = 8,
                    Routing = routing,
                    NumBlocks = 150,
                }), new BatchingTargets()).TimeToFirstToken.P50)];
        first[1].ShouldBeLessThan(first[0] * 0.8);
    }

    // Returns whether a client went away.
    private static bool Check(int seed, ref bool preempted, ref bool feasible)
    {
        var random = new Random(seed);
        (WorkloadRequest[] load, double?[] aborts) = MakeLoad(random, seed, out int maxLength);
        int blockSize = random.Next(1, 17);
        int blocks = (maxLength + blockSize - 1) / blockSize * (random.Next(3) == 0 ? random.Next(2, 20) : 1) + random
            .Next(4);
        int maxSeqs = random.Next(1, 33);
        List<ReplicaWatch> watches = [];
        var options = new SimulationOptions
        {
            StepTimes = new(Machine),
            Replicas = random.Next(1, 3),
            Routing = RoutingPolicies.Names[random.Next(3)],
            Scheduling = new SchedulingOptions
            {
                Batching = (BatchingMode)(random.Next(4) / 3),
                Targets = new BatchingTargets
                {
                    InterToken = TimeSpan.FromMilliseconds(
                        random.Next(2) == 0 ? random.Next(2, 200) : random.Next(6, 20)),
                    FirstToken = random.Next(2) == 0 ? null : TimeSpan.FromMilliseconds(random.Next(1, 2000)),
                },
                MaxNumSeqs = maxSeqs,
                MaxNumBatchedTokens = maxSeqs + random.Next(300),
                EnablePrefixCaching = random.Next(3) > 0,
                KvCacheWatermark = random.Next(2) * 0.05,
                PriorityAgeing = TimeSpan.FromSeconds(0.1 + random.NextDouble()),
            },
            NumBlocks = blocks,
            BlockSize = blockSize,
            SlowSteps = random.Next(2) * 0.05,
            Seed = seed,
            AbortAt = i => aborts[i],
            Observe = replica =>
            {
                ReplicaWatch? watch = watches.Find(w => w.Replica == replica);
                if (watch is null)
                {
                    watch = new ReplicaWatch(replica, maxSeqs, $"seed {seed}");
                    watches.Add(watch);
                }

                watch.Step();
            },
        };
        IReadOnlyList<RequestRecord> records = Simulator.Run(load, options);
        preempted = watches.Any(w => w.Preempted);
        watches.ForEach(w => w.CheckSteps());
        CheckEnds(records, aborts, seed);
        feasible = CheckTargets(records, options, preempted, seed);
        return records.Any(r => r.Failed);
    }

    private static (WorkloadRequest[] Load, double?[] Aborts) MakeLoad(Random random, int seed, out int maxLength)
    {
        maxLength = random.Next(8, 140);
        var workload = new Workload
        {
            Arrivals = (ArrivalProcess)random.Next(6),
            Rate = 1 + (random.NextDouble() * 100),
            PeakRate = 1 + (random.NextDouble() * 500),
            Period = 0.5,
            Requests = random.Next(30) == 0 ? random.Next(24, 100) : random.Next(1, 24),
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
        WorkloadRequest[] load =
            [.. workload.Make().Select(r => r with { Priority = random.Next(4) == 0 ? random.Next(-2, 3) : 0 })];
        return (load, [.. load.Select(r => random.Next(8) == 0 ? r.Arrival + random.NextDouble() : (double?)null)]);
    }

    // Each request ends, once (a record notes a second end by throwing), and with all its tokens unless its client
    // left.
    private static void CheckEnds(IReadOnlyList<RequestRecord> records, double?[] aborts, int seed)
    {
        for (int i = 0; i < records.Count; i++)
        {
            RequestRecord r = records[i];
            double.IsNaN(r.End).ShouldBeFalse($"seed {seed}: request {i} never ended");
            (r.Failed && aborts[i] is null).ShouldBeFalse($"seed {seed}: request {i} was called off by nobody");
            (r.Failed || r.Tokens == r.Request.OutputTokens)
                .ShouldBeTrue($"seed {seed}: request {i} has {r.Tokens} tokens");
        }
    }

    /// <summary>
    /// The inter-token target is feasible where one sequence alone, at the load's greatest length and with the least
    /// prompt tokens beside it, keeps to it with a tenth to spare. The first-token target is where even one step after
    /// the other, each as long as if all decoded in it, for every output token and every sixteen tokens of a prompt,
    /// would keep to it. Where somebody was preempted or something held steps up, neither is asked for: that time is
    /// nobody's choice.
    /// </summary>
    private static bool CheckTargets(
        IReadOnlyList<RequestRecord> records, SimulationOptions options, bool preempted, int seed)
    {
        SchedulingOptions scheduling = options.Scheduling;
        if (scheduling.Batching == BatchingMode.Fixed || preempted || options.SlowSteps > 0)
        {
            return false;
        }

        StepTimeModel model = options.MakeModel();
        int prompt = records.Max(r => r.Request.PromptTokens);
        long context = records.Sum(r => (long)r.Request.PromptTokens + r.Request.OutputTokens);
        double fullest = model.Predict(StepLoad.Decode(Math.Min(scheduling.MaxNumSeqs, records.Count), context)
            .WithPrefill(AdaptiveBatching.LeastPrefill, prompt));
        int steps = records.Sum(
            r => ((r.Request.PromptTokens + AdaptiveBatching.LeastPrefill - 1) / AdaptiveBatching.LeastPrefill)
                + r.Request.OutputTokens);
        if (scheduling.Targets.FirstToken is { } first && steps * fullest * 1.1 < first.TotalSeconds)
        {
            records.Where(r => r.Tokens > 0).Select(r => r.TimeToFirstToken).DefaultIfEmpty().Max()
                .ShouldBeLessThanOrEqualTo(first.TotalSeconds, $"seed {seed}");
        }

        List<float> gaps = [.. records.SelectMany(r => r.Gaps)];
        gaps.Sort();
        double target = scheduling.Targets.InterToken.TotalSeconds;
        double alone =
            model.Predict(StepLoad.Decode(1, records.Max(r => r.Request.PromptTokens + r.Request.OutputTokens))
                .WithPrefill(AdaptiveBatching.LeastPrefill, prompt));
        bool feasible = gaps.Count > 0 && alone * 1.1 < target;
        if (feasible)
        {
            Quantile.OfSorted(gaps, scheduling.Targets.Percentile)
                .ShouldBeLessThanOrEqualTo(target * 1.05, $"seed {seed}");
        }

        return feasible;
    }

    /// <summary>Watches a replica step by step.</summary>
    private sealed class ReplicaWatch(SimulatedReplica replica, int maxSeqs, string what)
    {
        private readonly Dictionary<SimulatedRequest, (int Passed, int Before)> _waits = [];
        private readonly HashSet<SimulatedRequest> _seen = [];
        private HashSet<SimulatedRequest> _ran = [];
        private SimulatedRequest? _leader;
        private int _leaderComputed;
        private int _steps;
        private int _interruptions;

        public SimulatedReplica Replica => replica;

        public bool Preempted { get; private set; }

        public void Step()
        {
            Scheduler<SimulatedRequest> scheduler = replica.Scheduler;
            // Every block free or held exactly as often as it should be.
            scheduler.CheckIntegrity();
            Holds(scheduler.Running.Count <= maxSeqs, "too many run");
            _steps++;
            Preempted |= replica.Plan!.NumPreempted > 0;
            CheckLeader();
            CheckPassing();
            foreach (SimulatedRequest r in replica.Plan.Sequences.Select(s => s.Sequence))
            {
                _seen.Add(r);
            }

            SimulatedRequest? leader = scheduler.Running.FirstOrDefault();
            _interruptions += _leader is { Status: not SequenceStatus.Finished } && leader != _leader ? 1 : 0;
            (_leader, _leaderComputed) = (leader, leader?.NumScheduledTokens ?? 0);
            _ran = [.. scheduler.Running];
        }

        // Whoever is first among those that run is never preempted, and each step computes something of it.
        private void CheckLeader()
        {
            if (_leader is not null && _leader.Status != SequenceStatus.Finished)
            {
                Holds(_leader.Status == SequenceStatus.Running, "the first was preempted");
                Holds(_leader.NumScheduledTokens > _leaderComputed, "the first stood still");
            }
        }

        // Nobody who waits is passed by one behind it; where late requests yield, by seven for each turn of those
        // before it and its own.
        private void CheckPassing()
        {
            List<SimulatedRequest> admitted =
                [.. replica.Plan!.Sequences.Select(s => s.Sequence).Where(r => !_ran.Contains(r))];
            foreach (SimulatedRequest r in replica.Scheduler.Waiting.Where(r => r.ArrivalSeconds < replica.StepBegan))
            {
                (int passed, int before) = _ran.Contains(r) ? (0, 0) : _waits.GetValueOrDefault(r);
                passed += admitted.Count(a => Sequence.Order.Instance.Compare(a, r) > 0);
                before += admitted.Count(a => Sequence.Order.Instance.Compare(a, r) < 0);
                bool yields = !double.IsNegativeInfinity(replica.Batching.Limits.LateBefore);
                const int Turn = Scheduler<SimulatedRequest>.LateTurn;
                Holds(passed <= (yields ? (Turn - 1) * (1 + before) : 0), "somebody starves");
                _waits[r] = (passed, before);
            }
        }

        // So all is done by the time that each has been computed alone, one token a step, once, and once more for each
        // time that one was first and another came before it.
        public void CheckSteps()
        {
            int all = _seen.Sum(r => r.NumTokens);
            int longest = _seen.Select(r => r.NumTokens).DefaultIfEmpty().Max();
            _steps.ShouldBeLessThanOrEqualTo(
                all + (_interruptions * longest) + _seen.Count, what + ": it took too long");
        }

        // Shouldly's own would make a text of every step.
        private void Holds(bool rule, string broken)
        {
            if (!rule)
            {
                throw new ShouldAssertException($"{what}: {broken}");
            }
        }
    }
}

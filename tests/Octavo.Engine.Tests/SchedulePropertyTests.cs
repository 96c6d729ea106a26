using Octavo.Engine.Output;
using Octavo.Engine.Scheduling;
using Octavo.Engine.Sequences;
using Octavo.Testing;

namespace Octavo.Engine.Tests;

/// <summary>
/// Random schedules: arrivals, lengths, aborts, tiny pools, priorities, shared prefixes. After every step the pool is
/// whole and the budgets hold; at the end every request has ended exactly once, with the tokens of its solo run.
/// </summary>
public sealed class SchedulePropertyTests
{
    private static readonly int Schedules = Extent.Of(10_000);

    [Fact]
    public void Step_RandomSchedules_KeepTheRules()
    {
        var totals = new Totals();
        Parallel.For(0, Schedules, seed => RunSchedule(seed, totals));

        // The schedules must have visited what they are meant to test.
        totals.Preempting.ShouldBeGreaterThan(Schedules / 20);
        totals.Hitting.ShouldBeGreaterThan(Schedules / 20);
        totals.Aborting.ShouldBeGreaterThan(Schedules / 20);
        totals.Trimming.ShouldBeGreaterThan(Schedules / 20);
    }

    private static void RunSchedule(int seed, Totals totals)
    {
        var random = new Random(seed);
        int blockSize = random.Next(1, 6);
        int maxModelLen = random.Next(4, 40);
        int maxSeqs = random.Next(1, 9);
        int maxTokens = maxSeqs + random.Next(0, 30);
        IReadOnlyList<CacheGroup> groups = Groups(random);
        int leastBlocks = (int)groups.MostBlocks(maxModelLen, blockSize, maxTokens);
        int numBlocks = leastBlocks + (groups.Count * (random.Next(3) == 0 ? random.Next(40) : random.Next(6)));
        using var harness = new EngineHarness(
            numBlocks, blockSize, maxModelLen, maxSeqs, maxTokens, random.Next(4) > 0, o => o with
            {
                Scheduling = o.Scheduling with
                {
                    KvCacheWatermark = random.Next(2) * 0.05,
                    Batching = (BatchingMode)random.Next(2),
                    Targets = new BatchingTargets { InterToken = TimeSpan.FromMilliseconds(random.Next(5, 200)) },
                },
            },
            groups);
        harness.Runner.Observe = batch =>
        {
            batch.NumTokens.ShouldBeInRange(1, maxTokens, $"seed {seed}");
            batch.NumSequences.ShouldBeInRange(1, maxSeqs, $"seed {seed}");
        };

        Planned[] requests = [.. Enumerable.Range(0, random.Next(1, 13)).Select(i => Plan(random, i, maxModelLen))];
        int steps = 0;
        int bound = requests.Sum(r => (r.Prompt.Length + r.MaxTokens) * r.N) * (requests.Length + 2) + 50;
        while (harness.Engine.HasWork || requests.Any(r => r.ArrivalStep >= steps))
        {
            steps.ShouldBeLessThan(bound, $"seed {seed}: a request starves");
            foreach (Planned r in requests.Where(r => r.ArrivalStep == steps))
            {
                harness.Add(
                    r.Id,
                    r.Prompt,
                    new SamplingParams
                    {
                        Temperature = 0,
                        MaxTokens = r.MaxTokens,
                        IgnoreEos = true,
                        N = r.N,
                        PromptLogprobs = r.Scored ? 1 : null,
                    },
                    r.Priority,
                    r.Salt);
            }

            foreach (Planned r in requests.Where(r => r.AbortStep == steps))
            {
                bool live = !harness.Outputs[r.Id].Exists(o => o.Finished);
                harness.Engine.Abort(r.Id);
                harness.Outputs[r.Id][^1].Outputs.Any(o => o.FinishReason == FinishReason.Abort)
                    .ShouldBe(live, $"seed {seed}");
            }

            Completion[] before = [.. harness.Engine.Scheduler.Running];
            Completion? first = before.FirstOrDefault();
            int preemptions = harness.Preemptions;
            harness.Engine.Step();
            harness.Clock.Advance(TimeSpan.FromMilliseconds(random.Next(20)));
            CheckOrder(harness.Engine.Scheduler, before, first, harness.Preemptions > preemptions, seed);
            harness.Engine.CheckIntegrity();
            CheckWindows(harness, groups, blockSize, maxTokens, totals, seed);
            steps++;
        }

        bool hit = false;
        foreach (Planned r in requests)
        {
            Check(harness, r, seed);
            hit |= harness.Outputs[r.Id][^1].NumCachedTokens > 0;
        }

        Totals.Count(ref totals.Hitting, hit);
        Totals.Count(ref totals.Preempting, harness.Preemptions > 0);
        Totals.Count(
            ref totals.Aborting,
            requests.Any(r => harness.Outputs[r.Id][^1].Outputs.Any(o => o.FinishReason == FinishReason.Abort)));
        harness.Engine.TryResetPrefixCache().ShouldBeTrue($"seed {seed}: a block has leaked");
    }

    // Layers that keep everything, and often windows beside them, some of one kind in several groups.
    private static IReadOnlyList<CacheGroup> Groups(Random random)
    {
        int window = random.Next(1, 20);
        int?[] windows = random.Next(4) switch
        {
            0 => [null],
            1 => [null, window],
            2 => [null, window, window, random.Next(1, 9)],
            _ => [null, null, window],
        };
        return [.. windows.Select((w, i) => new CacheGroup(w, [i]))];
    }

    // Between two steps a window holds what the next token attends to, and nothing before that block.
    private static void CheckWindows(
        EngineHarness harness, IReadOnlyList<CacheGroup> groups, int blockSize, int maxTokens, Totals totals, int seed)
    {
        foreach (Completion sequence in harness.Engine.Scheduler.Running)
        {
            foreach ((CacheGroup group, BlockTable table) in groups.Zip(sequence.Tables))
            {
                int first = group.FirstNeeded(sequence.NumScheduledTokens) / blockSize;
                table.Blocks.Take(first).ShouldAllBe(b => b == BlockTable.None, $"seed {seed}");
                table.Blocks.Skip(first).ShouldAllBe(b => b >= 0, $"seed {seed}");
                (table.Blocks.Count - first).ShouldBeLessThanOrEqualTo(
                    group.MostBlocks(sequence.NumTokens, blockSize, maxTokens), $"seed {seed}");
                Totals.Count(ref totals.Trimming, first > 0);
            }
        }
    }

    // Both queues stay in order; nobody is admitted in a step that preempts; and whoever leads is never preempted.
    private static void CheckOrder(
        Scheduler<Completion> scheduler, Completion[] before, Completion? first, bool preempted, int seed)
    {
        scheduler.Running.SequenceEqual(scheduler.Running.Order(Sequence.Order.Instance))
            .ShouldBeTrue($"seed {seed}: out of order");
        if (first is not null)
        {
            first.Status.ShouldBeOneOf(SequenceStatus.Running, SequenceStatus.Finished);
        }

        if (preempted)
        {
            scheduler.Running.Except(before).ShouldBeEmpty($"seed {seed}: admitted beside a preemption");
        }
    }

    private static void Check(EngineHarness harness, Planned r, int seed)
    {
        RequestOutput final = harness.Final(r.Id);
        int[] expected = EngineHarness.Expected(r.Prompt, r.MaxTokens);
        final.Outputs.Count.ShouldBe(r.N);
        if (r.Scored && final.Outputs.All(o => o.FinishReason != FinishReason.Abort))
        {
            final.PromptLogprobs!.Skip(1).Select(p => p!.Top[0].TokenId).ShouldBe(
                Enumerable.Range(1, r.Prompt.Length - 1).Select(
                    i => FakeRunner.Next(r.Prompt.AsSpan(0, i), 64)), $"seed {seed}, {r}");
        }

        foreach (CompletionOutput output in final.Outputs)
        {
            output.FinishReason.ShouldNotBeNull();
            bool aborted = output.FinishReason == FinishReason.Abort;
            (aborted && r.AbortStep < 0).ShouldBeFalse($"seed {seed}: aborted unasked");
            int length = aborted ? output.TokenIds.Count : expected.Length;
            output.TokenIds.ShouldBe(expected.Take(length), $"seed {seed}, {r}");
        }
    }

    private static Planned Plan(Random random, int index, int maxModelLen)
    {
        int length = random.Next(1, maxModelLen);
        int shared = random.Next(2) * random.Next(length + 1);
        int family = random.Next(3);
        int[] prompt =
            [.. Enumerable.Range(0, length).Select(i => i < shared ? (family * 7) + (i % 5) : random.Next(60))];
        int arrival = random.Next(12);
        return new Planned(
            $"r{index}",
            prompt,
            random.Next(1, maxModelLen - length + 1),
            arrival,
            random.Next(5) == 0 ? arrival + random.Next(20) : -1,
            random.Next(3) == 0 ? random.Next(-2, 3) : 0,
            random.Next(8) == 0 ? "salt" : null,
            random.Next(6) == 0 ? random.Next(2, 4) : 1,
            random.Next(8) == 0);
    }

    private sealed record Planned(
        string Id,
        int[] Prompt,
        int MaxTokens,
        int ArrivalStep,
        int AbortStep,
        int Priority,
        string? Salt,
        int N,
        bool Scored);

    private sealed class Totals
    {
        public int Preempting;
        public int Hitting;
        public int Aborting;
        public int Trimming;

        public static void Count(ref int counter, bool seen) => Interlocked.Add(ref counter, seen ? 1 : 0);
    }
}

using Octavo.Cpu.Threading;
using Octavo.Engine;

namespace Octavo.Cpu.Tests;

public sealed class ThreadTeamTests
{
    /// <summary>
    /// Members are put aside at random, in any place: each item is written once, and of its own phase.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    public void Run_MembersPutAside_EveryItemIsWrittenOnce(int members)
    {
        using var team = new ThreadTeam(members);
        for (int round = 0; round < 60; round++)
        {
            var work = new Counted(
                phases: 12, units: 1 + (round % 23), rounds: 1 + (round % 3), sleeps: round % 4 == 0);
            team.Run(work, leavesStragglers: true);

            work.Phases.ShouldAllBe(items => items.All(n => n == 1));
        }

        team.Settle();
    }

    /// <summary>
    /// A member that never comes back while the others work is missed by nobody, and disturbs nobody.
    /// </summary>
    [Fact]
    public void Run_MemberIsGone_OthersDoItsWorkAndItPassesWhatIsOver()
    {
        using var team = new ThreadTeam(3);
        using var release = new ManualResetEventSlim();
        using var gone = new ManualResetEventSlim();
        int holder = 0;
        bool wasLate = false;
        var work = new Counted(phases: 5, units: 40, rounds: 2)
        {
            OnCompute = (phase, item, member) =>
            {
                // Whoever comes first among the helpers stays away in the middle of its first item.
                if (member.Number > 0 && Interlocked.CompareExchange(ref holder, member.Number, 0) == 0)
                {
                    gone.Set();
                    release.Wait();
                    wasLate = member.IsLate;
                }
                else if (phase == 0)
                {
                    gone.Wait();
                }
            },
        };

        team.Run(work, leavesStragglers: true);
        work.Phases.ShouldAllBe(items => items.All(n => n == 1));

        var next = new Counted(phases: 3, units: 9, rounds: 1);
        team.Run(next, leavesStragglers: true);
        next.Phases.ShouldAllBe(items => items.All(n => n == 1));
        release.Set();
        team.Settle();
        wasLate.ShouldBeTrue();
        work.Phases.ShouldAllBe(items => items.All(n => n == 1), "what a late member computed is nobody's");
    }

    /// <summary>A late member must not take for its own step's what the next one has more of.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    public void Run_NextWorkHasMorePhases_LateMemberRunsNoneOfThem(int units)
    {
        using var team = new ThreadTeam(2);
        using var release = new ManualResetEventSlim();
        using var gone = new ManualResetEventSlim();
        var work = new Counted(phases: 4, units: 20, rounds: 1)
        {
            PhasesToRun = 3,
            OnCompute = (_, _, member) =>
            {
                if (member.Number == 1 && !gone.IsSet)
                {
                    gone.Set();
                    release.Wait();
                }

                gone.Wait();
            },
        };
        team.Run(work, leavesStragglers: true);
        (work.PhasesToRun, work.UnitsOfLast) = (4, units);
        release.Set();
        team.Settle();

        work.Phases[..3].ShouldAllBe(items => items.All(n => n == 1));
        work.Phases[3].ShouldAllBe(n => n == 0);
    }

    /// <summary>Who sleeps while another writes the last item is woken by the end of the work.</summary>
    [Fact]
    public void Run_LastItemTakesLong_NobodySleepsOn()
    {
        using var team = new ThreadTeam(4);
        for (int round = 0; round < 100; round++)
        {
            team.Run(new Counted(phases: 1, units: 4, rounds: 1) { OnWrite = (_, _) => Thread.Sleep(round % 3) });
        }
    }

    [Fact]
    public void Run_LateMemberFails_NobodyHears()
    {
        using var team = new ThreadTeam(2);
        using var release = new ManualResetEventSlim();
        using var gone = new ManualResetEventSlim();
        var work = new Counted(phases: 2, units: 20, rounds: 1)
        {
            OnCompute = (_, _, member) =>
            {
                if (member.Number == 1 && !gone.IsSet)
                {
                    gone.Set();
                    release.Wait();
                    throw new InvalidOperationException("of another step");
                }

                gone.Wait();
            },
        };
        team.Run(work, leavesStragglers: true);
        release.Set();
        team.Settle();

        team.Run(new Counted(phases: 2, units: 20, rounds: 1));
    }

    [Fact]
    public void Run_ItemFails_FailureReachesTheCallerAndTheTeamGoesOn()
    {
        using var team = new ThreadTeam(3);
        for (int round = 0; round < 200; round++)
        {
            int failing = round % 4;
            var work = new Counted(phases: 10, units: 3, rounds: 1)
            {
                OnWrite = (phase, item) =>
                {
                    if (phase == 5 && item == failing)
                    {
                        throw new InvalidOperationException($"item {item}");
                    }
                },
            };
            if (failing < 3)
            {
                Should.Throw<InvalidOperationException>(() => team.Run(work)).Message.ShouldBe($"item {failing}");
            }
            else
            {
                team.Run(work);
                work.Phases.ShouldAllBe(items => items.All(n => n == 1));
            }
        }
    }

    [Fact]
    public void Lease_SeveralEngines_ShareOneTeamAndTakeTurns()
    {
        using ThreadTeam.TeamLease one = ThreadTeam.Lease(5);
        using ThreadTeam.TeamLease other = ThreadTeam.Lease(5);
        other.Team.ShouldBeSameAs(one.Team);
        int atOnce = 0;
        int most = 0;
        Parallel.For(0, 4, new ParallelOptions { MaxDegreeOfParallelism = 4 }, _ =>
        {
            for (int i = 0; i < 50; i++)
            {
                var work = new Counted(phases: 3, units: 7, rounds: 1)
                {
                    OnWrite = (phase, item) =>
                    {
                        if (phase == 0 && item == 0)
                        {
                            most = Math.Max(most, Interlocked.Increment(ref atOnce));
                        }
                        else if (phase == 2 && item == 0)
                        {
                            Interlocked.Decrement(ref atOnce);
                        }
                    },
                };
                one.Team.Run(work);
                work.Phases.ShouldAllBe(items => items.All(n => n == 1));
            }
        });
        most.ShouldBe(1);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("", null)]
    [InlineData("3", 3)]
    public void TeamSize_Variable_IsANumberOfThreads(string? value, int? threads) =>
        TeamSize.Read(value).ShouldBe(threads);

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("two")]
    [InlineData("1025")]
    public void TeamSize_OtherValues_AreRefusedByName(string value) =>
        Should.Throw<EngineConfigurationException>(() => TeamSize.Read(value)).Message
            .ShouldBe($"OCTAVO_THREADS must be a number of threads between 1 and 1024; it is {value}");

    /// <summary>Counts how often each item of each phase is written; phases are shared and divided by turns.</summary>
    private sealed class Counted(int phases, int units, int rounds, bool sleeps = false) : ITeamWork
    {
        public Action<int, int, TeamMember>? OnCompute { get; init; }

        public Action<int, int>? OnWrite { get; init; }

        /// <summary>Phases to go through; may change as what an engine does from step to step.</summary>
        public int PhasesToRun { get; set; } = int.MaxValue;

        /// <summary>Units of the last phase, where they are others than of the rest.</summary>
        public int? UnitsOfLast { get; set; }

        public int[][] Phases { get; } = [.. Enumerable.Range(0, phases).Select(_ => new int[units * rounds])];

        public void Run(TeamMember member)
        {
            for (int phase = 0; phase < Math.Min(PhasesToRun, phases); phase++)
            {
                int width = phase == phases - 1 && UnitsOfLast is { } few ? few : units;
                if (phase % 2 == 0)
                {
                    member.Share(width, rounds, new Item(this, phase));
                }
                else
                {
                    member.Divide(width * rounds, new Item(this, phase));
                }
            }
        }

        private readonly struct Item(Counted work, int phase) : ISharedItems, IOwnItems
        {
            public void Compute(int item, TeamMember member)
            {
                work.OnCompute?.Invoke(phase, item, member);
                if (work.Sleeps(phase, item))
                {
                    Thread.Sleep(1);
                }
            }

            public void Write(int item, TeamMember member)
            {
                work.OnWrite?.Invoke(phase, item);
                work.Phases[phase][item]++;
            }

            public void Run(int item, TeamMember member)
            {
                if (phase > 0)
                {
                    // All of the phase before is there for everybody.
                    work.Phases[phase - 1].ShouldAllBe(n => n == 1);
                }

                Write(item, member);
            }
        }

        private bool Sleeps(int phase, int item) => sleeps && ((phase * 7919) + (item * 31)) % 13 == 0;
    }
}

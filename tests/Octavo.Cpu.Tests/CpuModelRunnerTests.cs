using Octavo.Cpu.Threading;
using Octavo.Engine;
using Octavo.Testing;

namespace Octavo.Cpu.Tests;

public sealed class CpuModelRunnerTests
{
    [Fact]
    public void Run_PathsOfOneMachine_AgreeClosely()
    {
        int[] ids = [.. Enumerable.Range(0, 50).Select(i => 200 + (i * 53 % 3500))];
        using var widest = new TestRunner(Repository.TalesModel);
        widest.Runner.InstructionSet.ShouldBe(ProcessorFeatures.Selected);
        float[] expected = widest.AllLogits(ids)[^1];
        foreach (InstructionSet isa in Enum.GetValues<InstructionSet>().Where(i => i < ProcessorFeatures.Selected))
        {
            using var other = new TestRunner(Repository.TalesModel, isa: isa);
            other.Runner.InstructionSet.ShouldBe(isa);
            float[] actual = other.AllLogits(ids)[^1];
            for (int i = 0; i < expected.Length; i++)
            {
                actual[i].ShouldBe(expected[i], 1e-4f, $"{isa} logit {i}");
            }
        }
    }

    [Fact]
    public void Constructor_BadOptions_SayWhatWouldBeRight()
    {
        Should.Throw<EngineConfigurationException>(() => new TestRunner(Repository.TalesModel, blockSize: 20)).Message.ShouldContain("multiple of 16");
        Should.Throw<EngineConfigurationException>(() => new TestRunner(Repository.TalesModel, threads: 0)).Message.ShouldContain("threads");
    }

    [Fact]
    public void Run_MemberFails_FailureReachesTheCallerAndTheTeamGoesOn()
    {
        using var team = new ThreadTeam(3);
        for (int round = 0; round < 200; round++)
        {
            int failing = round % 4;
            var work = new Work(team, failing);
            if (failing < 3)
            {
                Should.Throw<InvalidOperationException>(() => team.Run(work)).Message.ShouldBe($"worker {failing}");
            }
            else
            {
                team.Run(work);
                work.Meetings.ShouldBe(3 * 10);
            }
        }
    }

    private sealed class Work(ThreadTeam team, int failing) : ITeamWork
    {
        private int _meetings;

        public int Meetings => _meetings;

        public void Run(int worker)
        {
            for (int phase = 0; phase < 10; phase++)
            {
                if (worker == failing && phase == 5)
                {
                    throw new InvalidOperationException($"worker {worker}");
                }

                Interlocked.Increment(ref _meetings);
                team.Wait();
                if (failing > 2)
                {
                    (Volatile.Read(ref _meetings) >= 3 * (phase + 1)).ShouldBeTrue();
                }
            }
        }
    }
}

using System.Runtime.InteropServices;
using Octavo.Cpu.Threading;

namespace Octavo.Cpu.Tests;

public sealed class NumaTests : IDisposable
{
    private readonly DirectoryInfo _system = Directory.CreateTempSubdirectory("octavo-nodes-");

    [Fact]
    public void Read_SeveralNodes_ThoseWithProcessors()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "nodes are read on Linux");
        AddNode(0, "0-3,8-11");
        AddNode(1, "4-7\n");
        AddNode(2, "\n");
        Directory.CreateDirectory(Path.Combine(_system.FullName, "nodes_online"));
        var nodes = NumaNodes.Read(_system.FullName, 12);
        nodes.Several.ShouldBeTrue();
        Enumerable.Range(0, 5).Select(w => nodes.NodeOf(w, 5)).ShouldBe([0, 0, 0, 1, 1]);
        NumaNodes.Read(Path.Combine(_system.FullName, "none"), 4).Several.ShouldBeFalse();
        NumaNodes.OfMachine.NodeOf(0, 1).ShouldBeGreaterThanOrEqualTo(0);
    }

    /// <summary>Two processors that pretend to be two nodes: each member must be found where it was put.</summary>
    [Fact]
    public void Run_SeveralNodes_EachMemberStaysAtItsOwn()
    {
        Assert.SkipUnless(
            OperatingSystem.IsLinux() && Environment.ProcessorCount > 1, "needs Linux and two processors");
        AddNode(0, "0");
        AddNode(1, "1");
        using var team = new ThreadTeam(4, NumaNodes.Read(_system.FullName, 2));
        var work = new WhereAmI();
        for (int i = 0; i < 20; i++)
        {
            team.Run(work);
        }

        work.Seen.ShouldBe([0, 0, 1, 1]);
        work.Runs.ShouldBe(80);
    }

    public void Dispose() => _system.Delete(recursive: true);

    private void AddNode(int number, string processors)
    {
        string path = Path.Combine(_system.FullName, $"node{number}");
        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "cpulist"), processors);
    }

    /// <summary>One item for each member, none of which ends before all are there.</summary>
    private sealed class WhereAmI : ITeamWork
    {
        private readonly Barrier _allAreHere = new(4);

        public int Runs;

        public int[] Seen { get; } = [-1, -1, -1, -1];

        public void Run(TeamMember member) => member.Divide(4, new Item(this));

        [DllImport("libc")]
        private static extern int sched_getcpu();

        private readonly struct Item(WhereAmI work) : IOwnItems
        {
            public void Run(int item, TeamMember member)
            {
                work._allAreHere.SignalAndWait();
                work.Seen[member.Number] = sched_getcpu();
                Interlocked.Increment(ref work.Runs);
            }
        }
    }
}

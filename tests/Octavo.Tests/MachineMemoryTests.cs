using Octavo.Engine;
using Octavo.Formats;
using Octavo.Models;
using Octavo.Testing;

namespace Octavo.Tests;

/// <summary>
/// How much memory there is, read from made-up /proc and /sys, and what the pool's size follows from.
/// </summary>
public sealed class MachineMemoryTests : IDisposable
{
    private const long MiB = 1 << 20;
    private const long GiB = 1 << 30;
    private readonly string _root = Directory.CreateTempSubdirectory("octavo-memory-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Read_NoGroupHasALimit_IsWhatTheMachineHasFree()
    {
        Machine(16 * GiB, 10 * GiB);
        Put("proc/self/cgroup", "0::/user.slice\n");
        Put("sys/fs/cgroup/user.slice/memory.max", "max\n");

        Read(16 * GiB).ShouldBe(new MachineMemory(16 * GiB, 10 * GiB, "this machine"));
    }

    [Fact]
    public void Read_Version2_SubtractsUseButNotFiles()
    {
        Machine(16 * GiB, 10 * GiB);
        Put("proc/self/cgroup", "0::/pod/box\n");
        Put("sys/fs/cgroup/pod/box/memory.max", $"{4 * GiB}\n");
        Put("sys/fs/cgroup/pod/box/memory.current", $"{3 * GiB}\n");
        Put("sys/fs/cgroup/pod/box/memory.stat", $"anon {GiB}\ninactive_file {GiB}\nactive_file {512 * MiB}\n");

        // The runtime's three quarters of the container are for objects.
        Read(3 * GiB).ShouldBe(
            new MachineMemory(4 * GiB, (2 * GiB) + (512 * MiB), "memory.max of control group /pod/box"));
    }

    [Fact]
    public void Read_ParentIsTighter_ParentCounts()
    {
        Machine(16 * GiB, 10 * GiB);
        Put("proc/self/cgroup", "0::/pod/box\n");
        Put("sys/fs/cgroup/pod/box/memory.max", $"{4 * GiB}\n");
        Put("sys/fs/cgroup/pod/box/memory.current", "0\n");
        Put("sys/fs/cgroup/pod/memory.max", $"{5 * GiB}\n");
        Put("sys/fs/cgroup/pod/memory.current", $"{4 * GiB}\n");

        Read(16 * GiB).ShouldBe(new MachineMemory(4 * GiB, GiB, "memory.max of control group /pod"));
    }

    [Fact]
    public void Read_PathOfTheHost_MountItselfCounts()
    {
        Machine(16 * GiB, 10 * GiB);
        Put("proc/self/cgroup", "0::/../../docker/0123\n");
        Put("sys/fs/cgroup/memory.max", $"{2 * GiB}\n");
        Put("sys/fs/cgroup/memory.current", $"{GiB}\n");

        Read(16 * GiB).ShouldBe(new MachineMemory(2 * GiB, GiB, "memory.max of control group /"));
    }

    [Fact]
    public void Read_Version1_IsReadFromItsOwnFiles()
    {
        Machine(16 * GiB, 10 * GiB);
        Put("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/box\n3:cpuset:/\n0::/\n");
        Put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        Put("sys/fs/cgroup/memory/box/memory.limit_in_bytes", $"{3 * GiB}\n");
        Put("sys/fs/cgroup/memory/box/memory.usage_in_bytes", $"{2 * GiB}\n");
        Put("sys/fs/cgroup/memory/box/memory.stat", $"inactive_file 7\ntotal_inactive_file {GiB}\n");

        Read(16 * GiB).ShouldBe(new MachineMemory(3 * GiB, 2 * GiB, "memory.limit_in_bytes of control group /box"));
    }

    [Fact]
    public void Read_MachineHasLessFreeThanTheGroupAllows_MachineCounts()
    {
        Machine(16 * GiB, GiB);
        Put("proc/self/cgroup", "0::/box\n");
        Put("sys/fs/cgroup/box/memory.max", $"{4 * GiB}\n");

        Read(16 * GiB).ShouldBe(new MachineMemory(4 * GiB, GiB, "this machine"));
    }

    [Fact]
    public void Read_NothingToRead_IsTheRuntimesLimit()
    {
        Read(5 * GiB).ShouldBe(new MachineMemory(5 * GiB, 5 * GiB, "the .NET runtime's limit"));
        Machine(16 * GiB, 10 * GiB);
        Read(5 * GiB).Free.ShouldBe(5 * GiB);
    }

    [Fact]
    public void Read_ThisMachine_IsPlausible()
    {
        var memory = MachineMemory.Read();

        memory.Free.ShouldBeInRange(16 * MiB, memory.Total);
        memory.Total.ShouldBeLessThan(1L << 50);
    }

    [Fact]
    public void Make_PlentyOfMemory_PoolIsWhatAllRequestsCanUse()
    {
        ModelInfo plan = Plan(new EngineOptions { Scheduling = new() { MaxNumSeqs = 8 } }, 64 * GiB);

        ((long)plan.NumBlocks * plan.BlockSize).ShouldBe(8 * plan.MaxModelLen);
        plan.Memory.Free.ShouldBe(64 * GiB);
        plan.MemoryFraction.ShouldBe(0.8);
    }

    [Theory]
    [InlineData(100, null)]
    [InlineData(200, 0.5)]
    [InlineData(80, 1.0)]
    public void Make_LittleMemory_AllTogetherStaysWithinTheFraction(int free, double? fraction)
    {
        ModelInfo plan = Plan(new EngineOptions { Memory = new() { MemoryFraction = fraction } }, free * MiB);

        long total = plan.WeightBytes + plan.KvCacheBytes + plan.StepBytes;
        double allowed = (fraction ?? 0.8) * free * MiB;
        double bytesPerBlock = (double)plan.KvCacheBytes / plan.NumBlocks;
        ((double)total).ShouldBeInRange(allowed - bytesPerBlock, allowed);
        ModelPlan.RequireMemory(plan);
    }

    [Fact]
    public void Read_SystemThatSaysWhatIsFree_IsBelieved()
    {
        MachineMemory.Read(_root, 16 * GiB, new MachineMemory(16 * GiB, 3 * GiB, "this machine"))
            .ShouldBe(new MachineMemory(16 * GiB, 3 * GiB, "this machine"));
        MachineMemory.Read(_root, 2 * GiB, new MachineMemory(16 * GiB, 3 * GiB, "this machine"))
            .ShouldBe(new MachineMemory(2 * GiB, 2 * GiB, "the .NET runtime's limit"));
    }

    [Fact]
    public void FromWindows_Status_TakesWhatIsAvailableAndMayBeCommitted()
    {
        SystemFreeMemory.WindowsStatus status = new()
        {
            TotalPhysical = 16 * (ulong)GiB,
            AvailablePhysical = 5 * (ulong)GiB,
            AvailableCommit = 9 * (ulong)GiB,
        };
        SystemFreeMemory.FromWindows(status).ShouldBe(new MachineMemory(16 * GiB, 5 * GiB, "this machine"));
        SystemFreeMemory.FromWindows(status with { AvailableCommit = (ulong)GiB }).Free.ShouldBe(GiB);
        System.Runtime.InteropServices.Marshal.SizeOf<SystemFreeMemory.WindowsStatus>().ShouldBe(64);
    }

    [Fact]
    public void FromMac_Statistics_CountFreeAndInactivePages()
    {
        uint[] statistics = new uint[38];
        (statistics[0], statistics[1], statistics[2], statistics[3]) = (1000, 500_000, 60_000, 100_000);
        SystemFreeMemory.FromMac(16 * GiB, 16384, statistics)
            .ShouldBe(new MachineMemory(16 * GiB, 61_000L * 16384, "this machine"));
        statistics[2] = uint.MaxValue;
        SystemFreeMemory.FromMac(16 * GiB, 16384, statistics).Free.ShouldBe(16 * GiB);
    }

    [Fact]
    public void Read_OnLinux_AsksFilesAlone()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the other systems answer");
        SystemFreeMemory.Read().ShouldBeNull();
    }

    [Fact]
    public void Make_NoRoomForOneRequest_SaysWhatThereIsAndWhatItTakes()
    {
        string message = Should.Throw<EngineConfigurationException>(
            () => Plan(new EngineOptions
            {
                Memory = new() { MemoryFraction = 0.5 },
                Scheduling =
                new() { MaxNumSeqs = 4, MaxNumBatchedTokens = 128 }
            }, 22 * MiB)).Message;

        message.ShouldStartWith("MemoryFraction 0.5 of the 22 MiB that are free (a test) leaves ");
        message.ShouldContain("less than one request of MaxModelLen 512, which needs 1.25 MiB: raise MemoryFraction, "
            + "or lower MaxNumBatchedTokens, or set MaxModelLen to ");

        // No advice about what nobody has set.
        string unset = Should.Throw<EngineConfigurationException>(() => Plan(new EngineOptions(), MiB)).Message;
        unset.ShouldStartWith("80% of the 1 MiB that are free (a test) leaves 0 bytes for the key-value cache");
        unset.ShouldNotContain("MemoryFraction");
        unset.ShouldNotContain("MaxNumBatchedTokens");
    }

    [Fact]
    public void Make_BadFraction_IsRefused()
    {
        foreach (double fraction in new[] { 0, -1, 1.01, double.NaN })
        {
            Should.Throw<EngineConfigurationException>(
                () => Plan(new EngineOptions { Memory = new() { MemoryFraction = fraction } }, GiB)).Message
                .ShouldContain("MemoryFraction must be above 0");
        }

        Should.Throw<EngineConfigurationException>(() => Plan(
            new EngineOptions { Memory = new() { MemoryFraction = 0.5, KvCacheMemory = 8 * MiB } }, GiB)).Message
            .ShouldContain("do not go together");
    }

    [Fact]
    public void RequireMemory_CacheAskedForIsMoreThanIsFree_SaysSo()
    {
        ModelInfo plan = Plan(new EngineOptions { Memory = new() { KvCacheMemory = 90 * MiB } }, 100 * MiB);

        plan.KvCacheBytes.ShouldBe(90 * MiB);
        Should.Throw<EngineConfigurationException>(() => ModelPlan.RequireMemory(plan)).Message
            .ShouldContain("and 100 MiB are free (a test): lower KvCacheMemory");
    }

    private static ModelInfo Plan(EngineOptions options, long free)
    {
        using var model = Model.Open(Repository.TalesModel);
        return model.Plan(options, null, new MachineMemory(64 * GiB, free, "a test")).Info;
    }

    private MachineMemory Read(long runtimeLimit) => MachineMemory.Read(_root, runtimeLimit);

    private void Machine(long total, long free) =>
        Put("proc/meminfo", $"MemTotal:       {total >> 10} kB\nMemFree:  5 kB\nMemAvailable:   {free >> 10} kB\n");

    private void Put(string path, string text)
    {
        string file = Path.Combine(_root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}

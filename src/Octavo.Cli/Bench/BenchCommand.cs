using System.CommandLine;

namespace Octavo.Cli.Bench;

/// <summary><c>octavo bench</c>: how fast this machine is, and how near to it the engine comes.</summary>
internal static class BenchCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Make() => new("bench", "Measure this machine, the kernels, and whole models.")
    {
        BenchKernelsCommand.Make(),
        BenchModelCommand.Make(),
        BenchAttention.Make(),
        BenchBatching.Make(),
        BenchSampling.Make(),
        BenchText.Make(),
        BenchContention.Make(),
        BenchStart.Make(),
        BenchStartRun.Make(),
    };
}

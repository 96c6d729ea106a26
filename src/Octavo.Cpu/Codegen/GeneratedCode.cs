using System.Diagnostics;

namespace Octavo.Cpu;

/// <summary>How much machine code this process has generated.</summary>
/// <param name="Functions">Functions.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="Time">How long that took, the runtime's compiling of the assembler included.</param>
internal readonly record struct GeneratedCode(int Functions, long Bytes, TimeSpan Time)
{
    private static readonly Lock Gate = new();
    private static GeneratedCode s_total;

    /// <summary>All of it so far.</summary>
    public static GeneratedCode Total
    {
        get
        {
            lock (Gate)
            {
                return s_total;
            }
        }
    }

    /// <summary>Counts what has just been generated.</summary>
    /// <param name="functions">Functions.</param>
    /// <param name="bytes">Their bytes.</param>
    /// <param name="started">The timestamp (<see cref="Stopwatch.GetTimestamp"/>) at which that began.</param>
    internal static void Add(int functions, long bytes, long started)
    {
        lock (Gate)
        {
            s_total = new(
                s_total.Functions + functions, s_total.Bytes + bytes, s_total.Time + Stopwatch.GetElapsedTime(started));
        }
    }
}

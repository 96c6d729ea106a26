using System.Runtime.InteropServices;

namespace Octavo.Cpu.Threading;

/// <summary>
/// Where threads sleep until something has changed that they check for themselves. Whoever changes it wakes all, which
/// costs a system call only where somebody sleeps.
/// </summary>
/// <remarks>
/// Who waits: <c>Enter</c>, check once more, <c>Sleep</c>. Who wakes: change with a full fence, then <c>WakeAll</c>.
/// On Linux a futex (man 2 futex), elsewhere a monitor.
/// </remarks>
internal sealed unsafe partial class WaitingRoom : IDisposable
{
    private const int WaitPrivate = 128;
    private const int WakePrivate = 129;

    private static readonly long FutexCall = !OperatingSystem.IsLinux() ? 0
        : RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => 202,
            Architecture.Arm64 => 98,
            _ => 0,
        };

    private readonly object _monitor = new();
    private int* _round = (int*)NativeMemory.AllocZeroed(sizeof(int));
    private int _entered;

    /// <summary>Announces that the caller may sleep; what it gives is what <see cref="Sleep"/> takes.</summary>
    public int Enter()
    {
        int round = Volatile.Read(ref *_round);
        Interlocked.Increment(ref _entered);
        return round;
    }

    /// <summary>Sleeps, unless somebody woke all since <see cref="Enter"/>; may also return for no reason.</summary>
    /// <param name="round">What <see cref="Enter"/> gave.</param>
    /// <param name="atMost">How long; null until somebody wakes all.</param>
    public void Sleep(int round, TimeSpan? atMost = null)
    {
        if (FutexCall != 0)
        {
            // An interrupted or late call just returns.
            long* time = stackalloc long[2];                // seconds, and nanoseconds of one
            time[0] = (long)(atMost?.TotalSeconds ?? 0);
            time[1] = (long)(atMost?.TotalNanoseconds ?? 0) % 1_000_000_000;
            _ = SystemCall(FutexCall, _round, WaitPrivate, round, atMost is null ? null : time);
            return;
        }

        lock (_monitor)
        {
            if (*_round == round)
            {
                Monitor.Wait(_monitor, atMost ?? Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>Wakes all who entered.</summary>
    public void WakeAll()
    {
        if (Volatile.Read(ref _entered) == 0 || Interlocked.Exchange(ref _entered, 0) == 0)
        {
            return;
        }

        if (FutexCall != 0)
        {
            Interlocked.Increment(ref *_round);
            _ = SystemCall(FutexCall, _round, WakePrivate, int.MaxValue, null);
            return;
        }

        lock (_monitor)
        {
            ++*_round;
            Monitor.PulseAll(_monitor);
        }
    }

    public void Dispose()
    {
        NativeMemory.Free(_round);
        _round = null;
    }

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial long SystemCall(long number, int* word, long operation, long value, long* timeout);
}

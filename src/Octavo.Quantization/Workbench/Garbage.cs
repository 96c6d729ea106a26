namespace Octavo.Quantization.Workbench;

/// <summary>Keeps what one layer leaves behind from standing in memory beside the next.</summary>
internal static class Garbage
{
    // Less than this is a small model's layer, and looking for it takes longer than the layer itself.
    private const long WorthCollecting = 32L << 20;

    private static long s_left;      // what the last collection left

    /// <summary>
    /// Gives back what the last layer needed. Its matrices are arrays of tens of megabytes, few of them: left alone,
    /// the collector would wait for several layers' worth, and the peak would be theirs.
    /// </summary>
    public static void Return()
    {
        if (GC.GetTotalMemory(forceFullCollection: false) - Interlocked.Read(ref s_left) < WorthCollecting)
        {
            return;
        }

        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        Interlocked.Exchange(ref s_left, GC.GetTotalMemory(forceFullCollection: false));
    }
}

namespace Octavo.Quantization;

/// <summary>Keeps what one layer leaves behind from standing in memory beside the next.</summary>
internal static class Garbage
{
    /// <summary>
    /// Gives back what the last layer needed. Its matrices are arrays of tens of megabytes, few of them: left alone, the
    /// collector would wait for several layers' worth, and the peak would be theirs.
    /// </summary>
    public static void Return()
    {
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }
}

using System.Runtime.InteropServices;
using Octavo.Cpu.Cache;
using Octavo.Engine;

namespace Octavo.Cpu.Codegen;

/// <summary>
/// What an inner kernel is told: a few rows against the groups of one partition. <c>Score</c> multiplies packed queries
/// with keys, <c>Gather</c> packed weights with values. Emitted code reads the fields at these offsets.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct AttentionCall
{
    /// <summary>The groups' keys or values, ascending by position.</summary>
    public byte** Groups;

    public long NumGroups;

    /// <summary>
    /// Queries or weights, <see cref="AttentionLayout.QueryStride"/> or <see cref="AttentionLayout.WeightStride"/>
    /// bytes a row.
    /// </summary>
    public byte* Operand;

    /// <summary>
    /// Scores (<see cref="AttentionLayout.PartitionKeys"/> floats a row) or outputs
    /// (<see cref="AttentionLayout.PartialStride"/> floats a row).
    /// </summary>
    public float* Result;

    /// <summary>Int8: the scale of each row's integers, and what is taken off its dot products.</summary>
    public RowScale* Scales;

    /// <summary>As many addresses as groups, from which memory is fetched that will be read soon.</summary>
    public byte** Ahead;

    /// <summary>Emitted code by number of rows, from 1.</summary>
    public void** Code;

    public long Rows;

    public AttentionLayout* Layout;

    public static int OffsetOf(string field) => (int)Marshal.OffsetOf<AttentionCall>(field);
}

/// <summary>How a row's integers become numbers: <c>(integer − Offset) · Factor</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RowScale
{
    public float Factor;
    public int Offset;
}

/// <summary>Sizes that all attention kernels of one cache share.</summary>
/// <param name="Stored">How keys and values stand in the cache.</param>
internal readonly record struct AttentionLayout(KvLayout Stored)
{
    /// <summary>
    /// Keys whose softmax is computed at once, counted from position 0: the unit of every reduction, whatever the
    /// batch. With it int8 sums stay below 2³¹: 512 · 127 · <see cref="LargestWeight"/>.
    /// </summary>
    public const int PartitionKeys = 512;

    public const int PartitionGroups = PartitionKeys / KvLayout.GroupKeys;

    /// <summary>The most rows that an inner kernel takes: six rows by four lines are 24 of 32 registers.</summary>
    public const int MostRows = 6;

    /// <summary>The largest integer that a weight becomes: 15 bits.</summary>
    public const int LargestWeight = 32767;

    /// <summary>
    /// The largest integer that a query becomes: <c>high · 128 + low</c> with a high part of 127 at most.
    /// </summary>
    public const int LargestQuery = 127 * 128;

    /// <summary>The floats before a partial result: the maximum, the sum, and padding to a line.</summary>
    public const int PartialHeader = 16;

    /// <summary>How the inner products read them.</summary>
    public KvLayout Kv { get; } = Stored.Read;

    /// <summary>Whether a partition is widened before it is read.</summary>
    public bool Widens => Stored.Format != Kv.Format;

    /// <summary>Bytes from one packed query to the next.</summary>
    public int QueryStride => Kv.ValueDim * (Kv.Format == KvCacheFormat.Int8 ? 2 : sizeof(float));

    /// <summary>Bytes from one row's weights to the next: float32, or two bytes each.</summary>
    public int WeightStride => PartitionKeys * (Kv.Format == KvCacheFormat.Int8 ? 2 : sizeof(float));

    /// <summary>
    /// Lines that <c>Gather</c> fetches ahead while it multiplies one row of words: half of a key's share of them.
    /// </summary>
    public int FetchedByGather => Math.Max(1, Kv.KeyDim / (Kv.Format == KvCacheFormat.Int8 ? 64 : 32));

    /// <summary>Floats from one partial result to the next.</summary>
    public int PartialStride => PartialHeader + Kv.ValueDim;
}

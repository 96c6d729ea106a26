using Octavo.Cpu.Codegen;
using Octavo.Cpu.Memory;

namespace Octavo.Cpu.Attention;

/// <summary>One worker's memory for the rows of a tile.</summary>
internal sealed unsafe class AttentionScratch : IDisposable
{
    /// <summary>Partitions whose partial results it holds at most.</summary>
    public const int MostPartitions = 32;

    private readonly NativeBuffer _memory;

    public AttentionScratch(AttentionLayout layout, int maxRows)
    {
        const int Chunk = AttentionLayout.MostRows;
        const int Pointers = AttentionLayout.PartitionGroups * 8;
        long offset = 0;
        long queries = Take((long)maxRows * layout.QueryStride);
        long state = Take((long)maxRows * layout.PartialStride * sizeof(float));
        long scales = Take(maxRows * (long)sizeof(RowScale));
        long scores = Take(Chunk * AttentionLayout.PartitionKeys * sizeof(float));
        long weights = Take((long)Chunk * layout.WeightStride);
        long weightScales = Take(Chunk * sizeof(RowScale));
        long partials = Take((long)Chunk * layout.PartialStride * sizeof(float));
        long ranges = Take((long)MostPartitions * maxRows * layout.PartialStride * sizeof(float));
        long integers = Take(Math.Max(AttentionLayout.PartitionKeys, layout.Kv.ValueDim) * sizeof(int));
        long pointers = Take(6 * Pointers);
        long widenedKeys = Take(layout.Widens ? (long)AttentionLayout.PartitionGroups * layout.Kv.KeyGroupBytes : 0);
        long widenedValues =
            Take(layout.Widens ? (long)AttentionLayout.PartitionGroups * layout.Kv.ValueGroupBytes : 0);
        _memory = new NativeBuffer(offset);
        byte* memory = _memory.Pointer;
        Queries = memory + queries;
        State = (float*)(memory + state);
        QueryScales = (RowScale*)(memory + scales);
        Scores = (float*)(memory + scores);
        Weights = memory + weights;
        WeightScales = (RowScale*)(memory + weightScales);
        Partials = (float*)(memory + partials);
        Ranges = (float*)(memory + ranges);
        Integers = (int*)(memory + integers);
        Keys = (byte**)(memory + pointers);
        NextKeys = (byte**)(memory + pointers + Pointers);
        Values = (byte**)(memory + pointers + (2 * Pointers));
        WidenedKeys = memory + widenedKeys;
        WidenedValues = memory + widenedValues;
        AheadOfScore = (byte**)(memory + pointers + (3 * Pointers));
        AheadOfGather = (byte**)(memory + pointers + (4 * Pointers));

        long Take(long bytes)
        {
            long at = offset;
            offset += (bytes + 63) / 64 * 64;
            return at;
        }
    }

    /// <summary>Packed queries of all rows.</summary>
    public byte* Queries { get; }

    /// <summary>
    /// The merged result of each row so far: maximum, sum, and from <see cref="AttentionLayout.PartialHeader"/> on the
    /// output.
    /// </summary>
    public float* State { get; }

    public RowScale* QueryScales { get; }

    /// <summary>Scores, then weights, of the rows at hand.</summary>
    public float* Scores { get; }

    /// <summary>Int8: their packed weights.</summary>
    public byte* Weights { get; }

    public RowScale* WeightScales { get; }

    public float* Partials { get; }

    /// <summary>
    /// Partial results of the partitions of one item of a tile that is split, until they are handed over.
    /// </summary>
    public float* Ranges { get; }

    public int* Integers { get; }

    /// <summary>Addresses of a partition's key groups, of the next one's, and of its value groups.</summary>
    public byte** Keys { get; private set; }

    public byte** NextKeys { get; private set; }

    public byte** Values { get; }

    /// <summary>Where a partition's groups are widened to, where the cache is not read as it stands.</summary>
    public byte* WidenedKeys { get; }

    public byte* WidenedValues { get; }

    /// <summary>What each product fetches ahead, by group that it computes.</summary>
    public byte** AheadOfScore { get; }

    /// <summary>Twice as many: int8 values are gone through twice.</summary>
    public byte** AheadOfGather { get; }

    /// <summary>Whether <see cref="NextKeys"/> are those of a partition that this call computes next.</summary>
    public bool HasNext { get; set; }

    public void SwapKeys()
    {
        byte** keys = Keys;
        Keys = NextKeys;
        NextKeys = keys;
    }

    public void Dispose() => _memory.Dispose();
}

using Octavo.Models;

namespace Octavo.Cpu.Kernels;

/// <summary>How keys and values are stored.</summary>
public enum KvCacheFormat
{
    /// <summary>Four bytes an element.</summary>
    Float32,

    /// <summary>Two bytes an element.</summary>
    BFloat16,

    /// <summary>One byte an element, and for each token and head one float32 scale for its key and one for its value.</summary>
    Int8,
}

/// <summary>
/// The memory of the paged key-value cache. Of each layer the keys stand <c>[kvHead][block][group]</c>, and so do the
/// values, in groups as <see cref="KvLayout"/> says: a prompt's blocks mostly follow one another, and what a head reads of them
/// is then one stretch of memory.
/// </summary>
internal sealed unsafe class KvCache : IDisposable
{
    /// <summary>A block is whole groups.</summary>
    public const int Lanes = KvLayout.GroupKeys;

    private readonly NativeBuffer?[] _keys;     // by layer; null only while they are being made
    private readonly NativeBuffer?[] _values;

    public KvCache(DecoderSpec spec, KvCacheFormat format, int numBlocks, int blockSize)
    {
        (NumKvHeads, NumBlocks, BlockSize) = (spec.NumKvHeads, numBlocks, blockSize);
        Layout = new KvLayout(format, spec.HeadDim);
        GroupsPerBlock = blockSize / KvLayout.GroupKeys;
        long groups = (long)numBlocks * NumKvHeads * GroupsPerBlock;
        _keys = new NativeBuffer?[spec.NumLayers];
        _values = new NativeBuffer?[spec.NumLayers];
        try
        {
            for (int layer = 0; layer < spec.NumLayers; layer++)
            {
                _keys[layer] = new NativeBuffer(groups * Layout.KeyGroupBytes);
                _values[layer] = new NativeBuffer(groups * Layout.ValueGroupBytes);
                HugePages.Advise(_keys[layer]!);
                HugePages.Advise(_values[layer]!);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public int NumKvHeads { get; }

    public int NumBlocks { get; }

    public int BlockSize { get; }

    public int GroupsPerBlock { get; }

    public KvLayout Layout { get; }

    /// <summary>A layer's keys; where a block's groups of one head begin, <see cref="GroupOf"/> says.</summary>
    public byte* Keys(int layer) => _keys[layer]!.Pointer;

    /// <summary>A layer's values, in the same order.</summary>
    public byte* Values(int layer) => _values[layer]!.Pointer;

    /// <summary>The number of a block's first group of one head.</summary>
    public long GroupOf(int block, int kvHead) => (((long)kvHead * NumBlocks) + block) * GroupsPerBlock;

    /// <summary>
    /// Writes one token's keys and values, each <c>[kvHeads][headDim]</c>, to a slot. Tokens of one group may be written
    /// by different threads at once: nothing but the token's own bytes is touched.
    /// </summary>
    public void Write(int layer, int slot, float* keys, float* values)
    {
        int headDim = Layout.HeadDim;
        int block = slot / BlockSize;
        int within = slot % BlockSize / KvLayout.GroupKeys;
        int lane = slot % KvLayout.GroupKeys;
        for (int head = 0; head < NumKvHeads; head++)
        {
            long group = GroupOf(block, head) + within;
            KvWriter.Write(
                Layout,
                lane,
                keys + ((long)head * headDim),
                values + ((long)head * headDim),
                Keys(layer) + (group * Layout.KeyGroupBytes),
                Values(layer) + (group * Layout.ValueGroupBytes));
        }
    }

    public void Dispose()
    {
        foreach (NativeBuffer? buffer in _keys.Concat(_values))
        {
            buffer?.Dispose();
        }
    }
}

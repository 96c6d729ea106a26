using Octavo.Cpu.Memory;
using Octavo.Engine;
using Octavo.Models;

namespace Octavo.Cpu.Cache;

/// <summary>
/// What E4M3 keys and values of a layer are multiplied with; ones where the cache has another format.
/// </summary>
/// <param name="Key">The scale of keys, above 0.</param>
/// <param name="Value">The scale of values, above 0.</param>
internal readonly record struct KvScale(float Key, float Value)
{
    /// <summary>None.</summary>
    public static KvScale One => new(1, 1);
}

/// <summary>
/// The memory of the paged key-value cache. Of each layer the keys stand <c>[kvHead][block][group]</c>, and so do the
/// values, in groups as <see cref="KvLayout"/> says: a prompt's blocks mostly follow one another, and what a head reads
/// of them is then one stretch of memory.
/// </summary>
internal sealed unsafe class KvCache : IDisposable
{
    /// <summary>A block is whole groups.</summary>
    public const int Lanes = KvLayout.GroupKeys;

    private readonly DisposableStack _owned = new();
    private readonly NativeBuffer[] _keys;      // by layer
    private readonly NativeBuffer[] _values;
    private readonly KvScale[] _scales;         // by layer

    /// <summary>Reserves a cache.</summary>
    /// <param name="layers">The layers' attention, all of the same heads; none where a model has none.</param>
    /// <param name="format">How keys and values are stored.</param>
    /// <param name="numBlocks">Blocks.</param>
    /// <param name="blockSize">Tokens a block.</param>
    /// <param name="scales">Of E4M3, the scales by layer; null takes ones.</param>
    /// <exception cref="EngineConfigurationException">Layers differ in their heads.</exception>
    public KvCache(
        IReadOnlyList<AttentionSpec> layers, KvCacheFormat format, int numBlocks, int blockSize,
        IReadOnlyList<KvScale>? scales = null)
    {
        (int Heads, int KvHeads, int HeadDim)[] shapes =
            [.. layers.Select(l => (l.NumHeads, l.NumKvHeads, l.HeadDim)).Distinct()];
        if (shapes.Length > 1)
        {
            throw new EngineConfigurationException(
                $"the layers of this model differ in their heads, which the key-value cache does not support");
        }

        bool scaled = format == KvCacheFormat.Fp8 && scales is not null;
        _scales = scaled ? [.. scales!] : [.. Enumerable.Repeat(KvScale.One, layers.Count)];
        (_, int kvHeads, int headDim) = shapes.FirstOrDefault();
        (NumKvHeads, NumBlocks, BlockSize) = (kvHeads, numBlocks, blockSize);
        Layout = new KvLayout(format, headDim);
        GroupsPerBlock = blockSize / KvLayout.GroupKeys;
        long groups = (long)numBlocks * NumKvHeads * GroupsPerBlock;
        _keys = new NativeBuffer[layers.Count];
        _values = new NativeBuffer[layers.Count];
        try
        {
            for (int layer = 0; layer < layers.Count; layer++)
            {
                _keys[layer] = _owned.Add(new NativeBuffer(groups * Layout.KeyGroupBytes));
                _values[layer] = _owned.Add(new NativeBuffer(groups * Layout.ValueGroupBytes));
                HugePages.Advise(_keys[layer]);
                HugePages.Advise(_values[layer]);
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
    public byte* Keys(int layer) => _keys[layer].Pointer;

    /// <summary>A layer's values, in the same order.</summary>
    public byte* Values(int layer) => _values[layer].Pointer;

    /// <summary>A layer's scales.</summary>
    public KvScale Scales(int layer) => _scales[layer];

    /// <summary>The number of a block's first group of one head.</summary>
    public long GroupOf(int block, int kvHead) => (((long)kvHead * NumBlocks) + block) * GroupsPerBlock;

    /// <summary>
    /// Writes one token's keys and values, each <c>[kvHeads][headDim]</c>, to a slot. Tokens of one group may be
    /// written by different threads at once: nothing but the token's own bytes is touched.
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
                Values(layer) + (group * Layout.ValueGroupBytes),
                _scales[layer]);
        }
    }

    public void Dispose() => _owned.Dispose();
}

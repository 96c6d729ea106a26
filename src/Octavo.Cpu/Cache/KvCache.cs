using System.Numerics;
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
/// The memory of the paged key-value cache. Keys stand <c>[extent][layer][kvHead][block][group]</c>, and so do values,
/// in groups as <see cref="KvLayout"/> says; an extent is so many blocks that follow one another. A block has room for
/// as many layers as the largest <see cref="CacheGroup"/> has.
/// </summary>
/// <remarks>
/// A prompt's blocks mostly follow one another, too: what a head reads of them is stretches of an extent, the longer
/// the better. And what nobody has used yet is memory that nobody has touched: were there one extent as long as the
/// cache, the first token would touch a page, of 2 MiB where the system has such, for each head of each layer. So each
/// extent is as long as all before it, up to a limit.
/// </remarks>
internal sealed unsafe class KvCache : IDisposable
{
    /// <summary>A block is whole groups.</summary>
    public const int Lanes = KvLayout.GroupKeys;

    private const int TokensInFirstExtent = 512;
    private const int TokensInLongestExtent = 16384;

    private readonly DisposableStack _owned = new();
    private readonly NativeBuffer _keys;
    private readonly NativeBuffer _values;
    private readonly int _firstExtent;          // blocks, a power of 2
    private readonly int _longestExtent;
    private readonly int _layersInBlock;
    private readonly (int Group, int Place)[] _places;     // of each layer: its cache group, and which layer of it
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
        CacheGroups = CacheGroup.Of(layers);
        _layersInBlock = CacheGroups.LayersInBlock();
        _places = new (int, int)[layers.Count];
        foreach ((int number, CacheGroup group) in CacheGroups.Index())
        {
            foreach ((int place, int layer) in group.Layers.Index())
            {
                _places[layer] = (number, place);
            }
        }

        _firstExtent = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, TokensInFirstExtent / blockSize));
        _longestExtent = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, TokensInLongestExtent / blockSize));
        long groups = (long)numBlocks * GroupsPerBlock * NumKvHeads * _layersInBlock;
        try
        {
            _keys = _owned.Add(new NativeBuffer(groups * Layout.KeyGroupBytes));
            _values = _owned.Add(new NativeBuffer(groups * Layout.ValueGroupBytes));
            HugePages.Advise(_keys);
            HugePages.Advise(_values);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What layers keep.</summary>
    public IReadOnlyList<CacheGroup> CacheGroups { get; }

    public int NumKvHeads { get; }

    public int NumBlocks { get; }

    public int BlockSize { get; }

    public int GroupsPerBlock { get; }

    public KvLayout Layout { get; }

    /// <summary>All keys; where a block's groups of one layer and head begin, <see cref="GroupOf"/> says.</summary>
    public byte* Keys => _keys.Pointer;

    /// <summary>All values, in the same order.</summary>
    public byte* Values => _values.Pointer;

    /// <summary>A layer's scales.</summary>
    public KvScale Scales(int layer) => _scales[layer];

    /// <summary>The cache group of a layer: whose block tables say where its keys and values stand.</summary>
    public int CacheGroupOf(int layer) => _places[layer].Group;

    /// <summary>The number of a block's first group of one layer and head.</summary>
    public long GroupOf(int layer, int block, int kvHead)
    {
        (int first, int length) = (0, _firstExtent);
        if (block >= _firstExtent)
        {
            length = Math.Min(1 << BitOperations.Log2((uint)block), _longestExtent);
            first = block & -length;
        }

        length = Math.Min(length, NumBlocks - first);
        long stretch = ((long)_places[layer].Place * NumKvHeads) + kvHead;
        return (((long)first * _layersInBlock * NumKvHeads) + (stretch * length) + (block - first)) * GroupsPerBlock;
    }

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
            long group = GroupOf(layer, block, head) + within;
            KvWriter.Write(
                Layout,
                lane,
                keys + ((long)head * headDim),
                values + ((long)head * headDim),
                Keys + (group * Layout.KeyGroupBytes),
                Values + (group * Layout.ValueGroupBytes),
                _scales[layer]);
        }
    }

    public void Dispose() => _owned.Dispose();
}
